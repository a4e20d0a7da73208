// options.cpp: from the command line and the environment to settings (options.hpp).
//
// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>
#include <string_view>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

constexpr unsigned most_threads = 1024;
constexpr unsigned longest_deadline = 24 * 3600 * 1000;  // a day, in milliseconds

/// An empty variable counts as one that is not set.
std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

std::optional<std::string_view> gil_value(const std::vector<std::string>& x_options) {
    std::optional<std::string_view> value;
    for (const std::string& text : x_options) {
        const std::string_view option = text;
        const std::size_t equals = std::min(option.find('='), option.size());
        const std::string_view name = option.substr(0, equals);
        if (name != "gil") {
            constexpr std::array<std::string_view, 1> known = {"gil"};
            throw UsageError(fmt::format("-X has no option {}; {}", quoted(name, 80), did_you_mean(name, known)));
        }
        value = option.substr(std::min(equals + 1, option.size()));
    }
    return value;
}

GilOption gil_option(const std::vector<std::string>& x_options) {
    Result<GilOption> option = resolve_gil_option(gil_value(x_options));
    if (!option) throw CommandError(exit_findings, "Fatal error: config_read_gil: " + option.error().message);
    return *option;
}

std::vector<Sourced<fs::path>> search_path(const std::vector<std::string>& given) {
    std::vector<Sourced<fs::path>> path;
    for (const std::string& folder : given) {
        if (folder.empty()) throw UsageError("--path takes a folder, not an empty text");
        path.push_back({folder, "--path"});
    }
    const std::string variable = environment("INTERLOCK_PATH").value_or("");
    for (std::size_t begin = 0; begin <= variable.size();) {
        const std::size_t end = std::min(variable.find(':', begin), variable.size());
        if (end != begin) path.push_back({variable.substr(begin, end - begin), "INTERLOCK_PATH"});
        begin = end + 1;
    }
    return path;
}

Sourced<unsigned> thread_count(const std::optional<std::string>& given) {
    if (given) return {parse_number("--threads", *given, 1, most_threads), "--threads"};
    if (const auto variable = environment("INTERLOCK_THREADS"))
        return {parse_number("INTERLOCK_THREADS", *variable, 1, most_threads), "INTERLOCK_THREADS"};
    return {0, "default"};
}

std::map<std::string, PolicyAction, std::less<>> parse_overrides(const std::vector<std::string>& given) {
    constexpr std::array<std::string_view, 4> actions = {"free", "module_lock", "global_lock", "refuse"};
    std::map<std::string, PolicyAction, std::less<>> overrides;
    for (const std::string& text : given) {
        const std::size_t equals = text.find('=');
        if (equals == text.npos || equals == 0)
            throw UsageError(fmt::format("--override takes MODULE=LEVEL, not {}", quoted(text, 80)));
        const std::string word = text.substr(equals + 1);
        const auto action = policy_action_from_name(word);
        if (!action)
            throw UsageError(fmt::format("--override {}: {} is no threading level; {}",
                                         escape(text.substr(0, equals), 80), quoted(word, 80),
                                         did_you_mean(word, actions)));
        overrides[text.substr(0, equals)] = *action;
    }
    return overrides;
}

std::vector<WarningFilter> parse_filters(const std::vector<std::string>& given) {
    std::vector<WarningFilter> filters;
    for (const std::string& text : given) {
        Result<WarningFilter> filter = parse_warning_filter(text);
        if (!filter) throw UsageError("-W: " + filter.error().message);
        filters.push_back(std::move(*filter));
    }
    return filters;
}

}  // namespace

std::vector<Option> global_options(GlobalOptions& target) {
    return {
        option_list("-X", "gil=0|1", target.x,
                    "1: under the global lock from the start, no warnings; 0: never fall back, whatever a module says; "
                    "over INTERLOCK_GIL and PYTHON_GIL"),
        option_list(
            "-W", "FILTER", target.filters,
            "What becomes of warnings: default|always|ignore|error[:CATEGORY[:MODULE]]; the last match decides"),
        option("--policy", "FILE", target.policy,
               "The rules that override markers and manifests; over INTERLOCK_POLICY"),
        option_list("--path", "DIR", target.path, "Look for modules here, before INTERLOCK_PATH; repeatable"),
        option_list("--override", "MODULE=LEVEL", target.overrides,
                    "free, module_lock, global_lock or refuse, over everything else; repeatable"),
        option("-j,--threads", "N", target.threads,
               "Threads that run module code; over INTERLOCK_THREADS (one per CPU)"),
        option("--switch-deadline", "MS", target.switch_deadline,
               "Give an import up when the switch to locked mode takes longer"),
        choice("--warnings", target.warnings, {"text", "json", "python"},
               "How warnings are written to stderr; python: as text, a fallback with CPython's own line"),
        option("--report", "FILE", target.report,
               "Write what the loader did as JSON, also when the command fails (run, import, call, plan)"),
        flag("--json", target.json, "Results as JSON"),
        flag("-q,--quiet", target.quiet, "No summary and no progress"),
        counter("-v,--verbose", target.verbose, "Say what is imported and what modules log; twice: all of it"),
        choice("--color", target.color, {"auto", "always", "never"}, "Colours"),
        flag("--no-progress", target.no_progress, "No progress bar; without a terminal at stderr there is none anyway"),
        counter("-V,--version", target.version, "Print the version; twice: how it was built"),
        // The parser knows this one by itself; here it is for the help.
        {"-h,--help", "", "Print help, also behind a verb", {}, nullptr},
    };
}

Settings resolve_settings(const GlobalOptions& options) {
    Settings settings;
    settings.gil = gil_option(options.x);
    settings.path = search_path(options.path);
    if (options.policy)
        settings.policy = {*options.policy, "--policy"};
    else if (auto variable = environment("INTERLOCK_POLICY"))
        settings.policy = {std::move(*variable), "INTERLOCK_POLICY"};
    settings.threads = thread_count(options.threads);
    if (options.switch_deadline)
        settings.switch_deadline = {
            std::chrono::milliseconds(parse_number("--switch-deadline", *options.switch_deadline, 1, longest_deadline)),
            "--switch-deadline"};
    settings.overrides = parse_overrides(options.overrides);
    settings.filters = parse_filters(options.filters);
    return settings;
}

void refuse_loader_options(const GlobalOptions& options) {
    const char* given = !options.x.empty()           ? "-X"
                        : !options.overrides.empty() ? "--override"
                        : options.switch_deadline    ? "--switch-deadline"
                        : options.report.has_value() ? "--report"
                                                     : nullptr;
    if (given == nullptr) return;
    throw UsageError(
        fmt::format("{} is about what the loader does, and nothing is imported here; leave it out", given));
}

void show_warning(const Context& context, const Warning& warning) {
    if (context.options.warnings == "json") {
        context.output.note(warning.to_json() + "\n");
        return;
    }
    const std::string text = warning.text();
    const std::size_t colon = text.find("arning:") + std::string_view("arning:").size();
    const std::size_t begin = text.starts_with("interlock: ") ? std::string_view("interlock: ").size() : 0;
    context.output.note(text.substr(0, begin) +
                        context.output.styled_note(base::Style::yellow, text.substr(begin, colon - begin)) +
                        text.substr(colon));
}

std::optional<Policy> load_policy(const Context& context) {
    const Settings& settings = context.settings;
    if (!settings.policy) return std::nullopt;
    Result<PolicyFile> file = read_policy(settings.policy->value, today_utc());
    if (!file)
        throw CommandError(exit_bad_policy,
                           fmt::format("{} (policy of {})", file.error().message, settings.policy->source));
    std::vector<WarningFilter> filters = file->policy.warnings;
    filters.insert(filters.end(), settings.filters.begin(), settings.filters.end());
    const WarningAction action = resolve_warning(filters, WarningCategory::policy, "");
    bool usable = true;
    for (const Diagnostic& diagnostic : file->diagnostics) {
        const bool fatal = diagnostic.severity == Severity::error || action == WarningAction::error;
        usable = usable && !fatal;
        if (fatal || (action != WarningAction::ignore && context.options.warnings != "json"))
            context.output.note(diagnostic.text() + "\n");
        else if (action != WarningAction::ignore)
            show_warning(context, as_warning(diagnostic));
    }
    if (!usable)
        throw CommandError(exit_bad_policy, fmt::format("the policy {} is wrong, so nothing was done",
                                                        quoted(settings.policy->value.string())));
    return std::move(file->policy);
}

}  // namespace interlock::cli
