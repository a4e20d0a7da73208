// inspect.cpp: `interlock inspect`: what a file says of itself, without loading it. Modules of interlock are read by
// the loader's own reader, which also knows manifests; everything else by the audit.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <system_error>

#include <interlock/audit_output.hpp>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>
#include <interlock/marker.hpp>

#include "exit_codes.hpp"
#include "module_files.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct Inspection {
    ModuleFile file;
    std::string sha256;
    std::optional<ManifestFile> manifest;
    bool manifest_fits = false;
};

Inspection inspect(const std::string& path, ModuleFile file) {
    Result<std::string> sha256 = sha256_file(path);
    if (!sha256) throw CommandError(exit_unreadable, sha256.error().message);
    Result<std::optional<ManifestFile>> manifest = read_manifest_of(path);
    if (!manifest) throw CommandError(exit_unreadable, manifest.error().message);
    Inspection result{std::move(file), std::move(*sha256), std::move(*manifest), false};
    result.manifest_fits =
        result.manifest && !has_errors(result.manifest->diagnostics) &&
        manifest_mismatch(result.manifest->manifest, result.file.build_id, [&] { return result.sha256; }).empty();
    return result;
}

Json to_json(const std::string& path, const Inspection& inspection) {
    const ModuleFile& file = inspection.file;
    Json markers = Json::array();
    for (const Marker& marker : file.markers)
        markers.push_back(Json{{"module", marker.module},
                               {"version", marker.version},
                               {"abi", marker.abi},
                               {"threading", marker.threading_text},
                               {"known", marker.threading.has_value()},
                               {"offset", marker.offset}});
    Json json{{"schema_version", 1},          {"file", path},
              {"is_module", is_module(file)}, {"native", file.native},
              {"machine", file.machine},      {"build_id", file.build_id},
              {"sha256", inspection.sha256},  {"markers", std::move(markers)},
              {"exports", file.exports},      {"legacy_inits", file.legacy_inits}};
    if (inspection.manifest) {
        const Manifest& manifest = inspection.manifest->manifest;
        Json diagnostics = Json::array();
        for (const Diagnostic& diagnostic : inspection.manifest->diagnostics) diagnostics.push_back(diagnostic.text());
        json["manifest"] = Json{{"file", manifest.path.string()},
                                {"module", manifest.module},
                                {"threading", level_name(manifest.threading)},
                                {"declared_by", manifest.declared_by},
                                {"reason", manifest.reason},
                                {"fits", inspection.manifest_fits},
                                {"diagnostics", std::move(diagnostics)}};
    } else {
        json["manifest"] = nullptr;
    }
    return json;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + escape(name);
    return text;
}

std::string_view effect_in_words(Verdict verdict) {
    switch (verdict) {
        case Verdict::free:
            return "the runtime stays parallel";
        case Verdict::unmarked:
        case Verdict::global_lock:
            return "the runtime falls back to locked mode";
        default:
            return "not known";
    }
}

/// What the audit says of a module of interlock.
std::string judgement(const AuditReport& report) {
    std::string text;
    const auto line = [&](std::string_view label, std::string_view value) {
        text += fmt::format("  {:<12} {}\n", label, value);
    };
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            line("verdict",
                 fmt::format("{}{}", verdict_name(module.verdict), module.reason.empty() ? "" : ": " + module.reason));
            if (const std::string_view sure = confidence_name(module); !sure.empty()) line("confidence", sure);
            line("import", effect_in_words(module.verdict));
            for (const Evidence& evidence : module.evidence)
                line("evidence", evidence.what + (evidence.where.empty() ? "" : " (" + evidence.where + ")"));
        }
    }
    for (const Finding& finding : report.findings) {
        line("rule", fmt::format("{} {} {}: {}", finding.rule->id, finding.rule->name, level_text(finding.level),
                                 finding.message));
        if (const std::string& next = finding.accepted.empty() ? finding.fix : finding.accepted; !next.empty())
            line("", (finding.accepted.empty() ? "" : "accepted: ") + next);
    }
    return text;
}

std::string in_words(const Output& output, const std::string& path, const Inspection& inspection) {
    const ModuleFile& file = inspection.file;
    std::string text = output.styled(base::Style::bold, escape(path, 4096)) + "\n";
    const auto line = [&](std::string_view label, std::string_view value) {
        text += fmt::format("  {:<12} {}\n", label, value.empty() ? "none" : value);
    };
    if (file.markers.empty()) line("marker", "");
    for (const Marker& marker : file.markers)
        line("marker",
             fmt::format("module {}{}: {}{}", quoted(marker.module),
                         marker.version.empty() ? "" : " " + escape(marker.version), escape(marker.threading_text),
                         marker.threading ? "" : " (not known to this version; counts as unmarked)"));
    line("exports", joined(file.exports));
    if (!file.legacy_inits.empty()) line("legacy init", joined(file.legacy_inits));
    if (!is_module(file)) line("module", "no: there is neither a marker nor an entry point");
    if (!file.native) line("machine", fmt::format("ELF machine {}, not this one", file.machine));
    line("build-id", file.build_id);
    line("sha256", inspection.sha256);
    if (!inspection.manifest) {
        line("manifest", "");
        return text;
    }
    const Manifest& manifest = inspection.manifest->manifest;
    for (const Diagnostic& diagnostic : inspection.manifest->diagnostics) line("manifest", diagnostic.text());
    if (!has_errors(inspection.manifest->diagnostics))
        line("manifest",
             fmt::format("module {}: {}, declared by {}: {}{}", quoted(manifest.module), level_name(manifest.threading),
                         quoted(manifest.declared_by), escape(manifest.reason),
                         inspection.manifest_fits ? "" : "; ignored, as it is for another binary"));
    return text;
}

struct InspectArguments {
    std::string format;
    std::vector<std::string> pythons;
};

AuditOptions audit_options(const InspectArguments& arguments, const Context& context) {
    AuditOptions options;
    options.details = true;
    for (const std::string& text : arguments.pythons) {
        const auto version = python_version_from_text(text);
        if (!version)
            throw UsageError(
                fmt::format("--python takes a free-threaded interpreter as 3.14t, not {}", quoted(text, 80)));
        options.pythons.push_back(*version);
    }
    for (const auto& folder : context.settings.path) {
        if (folder.source == "--path") options.search_path.push_back(folder.value);
    }
    return options;
}

bool has_module(const AuditReport& report) {
    return std::any_of(report.binaries.begin(), report.binaries.end(), [](const BinaryAudit& binary) {
        return binary.abi != AbiFlavour::interlock &&
               std::any_of(binary.modules.begin(), binary.modules.end(),
                           [](const ModuleAudit& module) { return module.verdict != Verdict::not_a_module; });
    });
}

/// Slices of one file are one thing to look at; the members of an archive are not.
void need_one_file(const AuditReport& report, const std::string& path) {
    std::vector<std::string> members;
    for (const BinaryAudit& binary : report.binaries) {
        if (members.empty() || members.back() != binary.path) members.push_back(binary.path);
    }
    if (members.size() <= 1) return;
    constexpr std::size_t most = 20;
    std::string list;
    for (std::size_t i = 0; i < members.size() && i < most; ++i) list += "\n  " + escape(members[i], 4096);
    if (members.size() > most) list += fmt::format("\n  and {} more", members.size() - most);
    throw UsageError(fmt::format("{} holds {} binaries; name one of them, or use `interlock audit`:{}",
                                 quoted(path, 4096), members.size(), list));
}

/// Adds what the report's own JSON has about this file.
Json with_evidence(Json json, const AuditReport& report) {
    const Json whole = Json::parse(format_audit(report, AuditFormat::json));
    for (const char* part : {"pythons", "binaries", "findings"}) json[part] = whole.at(part);
    return json;
}

void print_evidence(const AuditReport& report, const std::string& path, bool json, Context& context) {
    if (json) return context.output.write_json(with_evidence(Json{{"schema_version", 1}, {"file", path}}, report));
    AuditOutputOptions output;
    output.color = choose_color(context.options.color, STDOUT_FILENO).on;
    for (const BinaryAudit& binary : report.binaries) context.output.write(format_evidence(report, binary, output));
}

int run_inspect(const InspectArguments& arguments, Context& context, const std::vector<std::string>& paths) {
    refuse_loader_options(context.options);
    const std::string& path = paths[0];
    const bool json = context.options.json || arguments.format == "json";
    AuditOptions options = audit_options(arguments, context);
    Result<ModuleFile> file = read_module_file(path);
    const bool of_interlock =
        file.ok() && (!file->markers.empty() || !file->exports.empty() || !file->legacy_inits.empty());
    std::error_code unknown;
    AuditReport report;
    if (!std::filesystem::is_directory(path, unknown)) {
        const std::optional<Policy> policy = load_policy(context);
        if (policy) options.policy = &*policy;
        report = audit(std::span(&path, 1), options);
        if (!of_interlock) {
            need_one_file(report, path);
            // What is neither a module nor a file that only the audit can read is described by the loader's reader.
            if (has_module(report) || (!file && !report.binaries.empty())) {
                print_evidence(report, path, json, context);
                return exit_ok;
            }
        }
        if (!file && !report.errors.empty()) throw CommandError(exit_unreadable, report.errors.front().message);
        // An archive, as a file that is none would be an error or a binary.
        if (!file && report.binaries.empty())
            throw CommandError(exit_unreadable,
                               fmt::format("there is no compiled module in {}: {} files were looked at",
                                           quoted(path, 4096), report.statistics.files));
    }
    if (!file) throw CommandError(exit_unreadable, file.error().message);
    const Inspection inspection = inspect(path, std::move(*file));
    if (json)
        context.output.write_json(with_evidence(to_json(path, inspection), report));
    else
        context.output.write(in_words(context.output, path, inspection) + judgement(report));
    return exit_ok;
}

}  // namespace

Verb inspect_verb() {
    auto arguments = std::make_shared<InspectArguments>();
    Verb verb;
    verb.name = "inspect";
    verb.summary = inspect_summary;
    verb.arguments = "FILE[!MEMBER]";
    verb.details =
        "Of a module of interlock: markers, entry points, build-id, hash, manifest, the verdict, the rules that\n"
        "fired, and what an import does to the runtime. Of a Python extension module of any platform: the ABI and\n"
        "how it was recognised, how the module's definition was found, each slot, each call of the C API that\n"
        "mattered, the rules that fired, and what an import does to each interpreter. Nothing of the file is loaded\n"
        "or run.";
    verb.at_least = 1;
    verb.at_most = 1;
    verb.options = {
        choice("--format", arguments->format, {"text", "json"},
               "What is printed (--json is the same as --format json)"),
        option_list("--python", "3.14t", arguments->pythons,
                    "The free-threaded interpreter to judge for; repeatable (default: 3.13t, 3.14t, 3.15t)"),
    };
    verb.run = [arguments](Context& context, const std::vector<std::string>& paths) {
        return run_inspect(*arguments, context, paths);
    };
    return verb;
}

}  // namespace interlock::cli
