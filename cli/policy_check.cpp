// policy_check.cpp: `interlock policy check`: what is wrong with a policy file, and which of its rules are of use for
// the modules in a folder.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/marker.hpp>
#include <memory>

#include "exit_codes.hpp"
#include "module_files.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct PolicyCheckOptions {
    bool strict = false;
};

MarkerState marker_state(const ModuleFile& file, std::string_view name) noexcept {
    const Marker* marker = file.marker_for(name);
    return marker != nullptr && marker->threading ? static_cast<MarkerState>(*marker->threading)
                                                  : MarkerState::unmarked;
}

std::vector<PolicySubject> subjects_in(const FolderScan& scan) {
    std::vector<PolicySubject> subjects;
    for (const FoundModule& found : scan.modules) {
        subjects.push_back({found.name, found.file.path, found.file.build_id, marker_state(found.file, found.name),
                            [path = found.file.path] {
                                const Result<std::string> hash = sha256_file(path);
                                return hash ? *hash : std::string();
                            }});
    }
    return subjects;
}

Json to_json(const Diagnostic& diagnostic) {
    return Json{{"severity", diagnostic.severity == Severity::error ? "error" : "warning"},
                {"file", diagnostic.file},
                {"line", diagnostic.line},
                {"column", diagnostic.column},
                {"code", diagnostic.code},
                {"message", diagnostic.message},
                {"hint", diagnostic.hint}};
}

Diagnostic unused(const Policy& policy, const PolicyRule& rule, const std::string& folder) {
    return {Severity::warning,
            policy.path.string(),
            rule.line,
            rule.column,
            "unused-rule",
            fmt::format("the rule for {} decides for none of the modules in {}", describe(rule), quoted(folder)),
            "remove it, or see whether its pattern is right"};
}

int run_policy_check(const PolicyCheckOptions& options, Context& context, const std::vector<std::string>& arguments) {
    const auto today = today_utc();
    Result<PolicyFile> file = read_policy(arguments[0], today);
    if (!file) throw CommandError(exit_unreadable, file.error().message);
    Diagnostics& diagnostics = file->diagnostics;
    const bool usable = !has_errors(diagnostics);

    std::optional<FolderScan> scan;
    std::vector<RuleUse> uses;
    if (usable && arguments.size() == 2) {
        scan = scan_folder(arguments[1]);
        uses = count_rule_matches(file->policy, subjects_in(*scan), today);
        for (const RuleUse& use : uses) {
            const bool expired = use.rule->expires && *use.rule->expires < today;  // has its own diagnostic
            if (use.matches == 0 && !expired) diagnostics.push_back(unused(file->policy, *use.rule, arguments[1]));
        }
        for (const Error& error : scan->unreadable) context.output.error(error.message);
    }

    if (context.options.json) {
        Json json{{"schema_version", 1}, {"policy", arguments[0]}, {"usable", usable}};
        for (const Diagnostic& diagnostic : diagnostics) json["diagnostics"].push_back(to_json(diagnostic));
        if (diagnostics.empty()) json["diagnostics"] = Json::array();
        if (scan) {
            json["modules"] = scan->modules.size();
            json["rules"] = Json::array();
            for (const RuleUse& use : uses)
                json["rules"].push_back(Json{{"line", use.rule->line},
                                             {"rule", describe(*use.rule)},
                                             {"action", action_name(use.rule->threading)},
                                             {"decides", use.matches}});
        }
        context.output.write_json(json);
    } else {
        for (const Diagnostic& diagnostic : diagnostics) context.output.write_line(diagnostic.text());
        if (scan && !uses.empty()) {
            base::Columns table({"LINE", "RULE", "ACTION", "DECIDES"});
            for (const RuleUse& use : uses)
                table.add_texts({std::to_string(use.rule->line), describe(*use.rule),
                                 std::string(action_name(use.rule->threading)), std::to_string(use.matches)});
            context.output.write(table.text(0, context.output.color()));
        }
        if (usable && !context.options.quiet)
            context.output.write_line(
                fmt::format("{}: {} rules{}", escape(arguments[0], 4096), file->policy.rules.size(),
                            scan ? fmt::format(", {} modules in {}", scan->modules.size(), escape(arguments[1], 4096))
                                 : std::string()));
    }
    if (!usable) return exit_bad_policy;
    if (scan && !scan->unreadable.empty()) return exit_unreadable;
    return options.strict && !diagnostics.empty() ? exit_findings : exit_ok;
}

}  // namespace

Verb policy_check_verb() {
    auto options = std::make_shared<PolicyCheckOptions>();
    Verb verb;
    verb.name = "policy check";
    verb.summary = "Check a policy file, and which of its rules match a folder's modules";
    verb.arguments = "FILE [DIR]";
    verb.details =
        "Prints what is wrong as FILE:LINE:COLUMN: error|warning: TEXT [CODE]. With DIR also how often each rule\n"
        "decides for the modules in it and below, and which rules match nothing. `interlock explain CODE` says more.\n"
        "The exit status is 4 with an error, 0 with warnings only (1 with --strict).";
    verb.at_least = 1;
    verb.at_most = 2;
    verb.options = {flag("--strict", options->strict, "Exit with 1 when there are warnings")};
    verb.run = [options](Context& context, const std::vector<std::string>& arguments) {
        return run_policy_check(*options, context, arguments);
    };
    return verb;
}

}  // namespace interlock::cli
