// audit.cpp: `interlock audit`: what importing compiled modules does to the GIL, for people and for CI.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <system_error>

#include <interlock/audit_filter.hpp>
#include <interlock/audit_output.hpp>
#include <interlock/baseline.hpp>
#include <interlock/escape.hpp>

#include "command_line.hpp"
#include "exit_codes.hpp"
#include "options.hpp"
#include "output_file.hpp"
#include "progress.hpp"
#include "standard_input.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

constexpr std::size_t longest_list = 256u << 20;  // bytes of names on standard input

struct AuditArguments {
    std::string format;
    std::vector<std::string> outputs, fail_on, ignore, pythons;
    std::optional<std::string> baseline, write_baseline;
    std::optional<std::string> time_limit;
    bool strict = false, null_separated = false;
};

struct ReportFile {
    AuditFormat format;
    OutputFile file;
};

OutputFile output_file(std::string_view option, const std::string& path) {
    // As a name it would be a file that is hard to get rid of.
    if (path == "-") throw UsageError(fmt::format("{} writes a file; --format chooses what is printed", option));
    OutputFile file(path);
    if (file.is_stdout())
        throw UsageError(fmt::format("{} {}: standard output is redirected to this file", option, quoted(path)));
    return file;
}

/// "sarif=report.sarif", or a name whose ending says the format.
ReportFile parse_output(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals != text.npos) {
        const auto format = audit_format_from_name(std::string_view(text).substr(0, equals));
        if (format && equals + 1 < text.size()) return {*format, output_file("--output", text.substr(equals + 1))};
    }
    if (const auto format = audit_format_for_file(text)) return {*format, output_file("--output", text)};
    if (text == "-") static_cast<void>(output_file("--output", text));
    throw UsageError(
        fmt::format("--output takes FORMAT=FILE (table, json, ndjson, sarif, markdown, csv), or a file "
                    "whose ending says the format, not {}",
                    quoted(text, 80)));
}

template <typename Value>
Value checked(std::string_view option, Result<Value> result) {
    if (!result) throw UsageError(fmt::format("{}: {}", option, result.error().message));
    return std::move(*result);
}

/// All that the arguments say, checked before any file is looked at.
struct AuditPlan {
    AuditOptions options;
    std::optional<Policy> policy;
    std::optional<Baseline> baseline;
    std::vector<ReportFile> outputs;
    std::optional<OutputFile> new_baseline;
    std::vector<FailFilter> fail_on;
    std::vector<IgnoreFilter> ignore;
    AuditFormat format = AuditFormat::table;
};

std::optional<Baseline> load_baseline(Context& context, const std::optional<std::string>& path) {
    if (!path) return std::nullopt;
    Result<BaselineFile> file = read_baseline(*path);
    if (!file) throw CommandError(exit_bad_policy, file.error().message + " (--baseline)");
    for (const Diagnostic& diagnostic : file->diagnostics) context.output.note(diagnostic.text() + "\n");
    if (has_errors(file->diagnostics))
        throw CommandError(exit_bad_policy, fmt::format("the baseline {} is wrong, so nothing was audited; write it "
                                                        "anew with --write-baseline",
                                                        quoted(*path)));
    return std::move(file->baseline);
}

/// Of two reports in one file only the second would be left.
void check_for_clashes(const AuditPlan& plan) {
    for (auto one = plan.outputs.begin(); one != plan.outputs.end(); ++one) {
        const bool clash = std::any_of(std::next(one), plan.outputs.end(),
                                       [&](const ReportFile& other) { return one->file.same_as(other.file); });
        if (clash || (plan.new_baseline && one->file.same_as(*plan.new_baseline)))
            throw UsageError(fmt::format("{} is given for two outputs", quoted(one->file.path(), 4096)));
    }
}

AuditPlan make_plan(const AuditArguments& arguments, Context& context) {
    AuditPlan plan;
    for (const std::string& text : arguments.outputs) plan.outputs.push_back(parse_output(text));
    if (arguments.write_baseline) plan.new_baseline = output_file("--write-baseline", *arguments.write_baseline);
    check_for_clashes(plan);
    for (const std::string& text : arguments.fail_on) plan.fail_on.push_back(checked("--fail-on", parse_fail_on(text)));
    if (plan.fail_on.empty()) plan.fail_on.push_back({.level = Level::error});
    if (arguments.strict) {
        for (const char* unknown : {"undetermined", "delegation-target-missing", "nothing-loads"})
            plan.fail_on.push_back({.level = std::nullopt, .rule = find_rule(unknown)});
    }
    for (const std::string& text : arguments.ignore) plan.ignore.push_back(checked("--ignore", parse_ignore(text)));
    for (const std::string& text : arguments.pythons) {
        const auto version = python_version_from_text(text);
        if (!version)
            throw UsageError(
                fmt::format("--python takes a free-threaded interpreter as 3.14t, not {}; the first is "
                            "3.13t",
                            quoted(text, 80)));
        plan.options.pythons.push_back(*version);
    }
    if (!arguments.format.empty())
        plan.format = *audit_format_from_name(arguments.format);
    else if (context.options.json)
        plan.format = AuditFormat::json;
    plan.policy = load_policy(context);
    plan.baseline = load_baseline(context, arguments.baseline);
    for (const auto& folder : context.settings.path) {
        // INTERLOCK_PATH is where modules of interlock are; the user did not name it for this.
        if (folder.source == "--path") plan.options.search_path.push_back(folder.value);
    }
    plan.options.threads = context.settings.threads.value;
    if (arguments.time_limit)
        plan.options.time_limit =
            std::chrono::seconds(parse_number("--time-limit", *arguments.time_limit, 1, 1'000'000));
    return plan;
}

std::vector<std::string> names_from_stdin(char separator) {
    const std::string text = content_of_stdin(longest_list);
    if (text.size() > longest_list)
        throw CommandError(exit_unreadable,
                           fmt::format("standard input has more than {} bytes; is it a list of names?", longest_list));
    std::vector<std::string> names;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        if (end != begin) names.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return names;
}

std::vector<std::string> inputs_from(const std::vector<std::string>& arguments, bool null_separated) {
    std::vector<std::string> inputs;
    bool stdin_read = false;
    for (const std::string& argument : arguments) {
        if (argument != "-") {
            inputs.push_back(argument);
            continue;
        }
        if (std::exchange(stdin_read, true)) throw UsageError("'-' is given twice, but there is one standard input");
        const auto names = names_from_stdin(null_separated ? '\0' : '\n');
        inputs.insert(inputs.end(), names.begin(), names.end());
    }
    if (null_separated && !stdin_read) throw UsageError("-0 is about names on standard input: give '-' as well");
    return inputs;
}

/// Each file that is being judged takes some descriptors. The limit is low for the sake of programs that use select().
void allow_many_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

AuditReport audit_with_progress(AuditPlan& plan, const std::vector<std::string>& inputs, Context& context) {
    if (context.options.quiet || context.options.no_progress || !progress_possible())
        return audit(inputs, plan.options);
    ProgressBar bar(context.output);
    plan.options.on_progress = [&](const AuditProgress& progress) {
        // The end is not known while archives are still being opened.
        bar.update({progress.done, progress.bytes, progress.all_found ? std::optional(progress.found) : std::nullopt,
                    "binaries", escape(progress.current, 4096)});
    };
    return audit(inputs, plan.options);
}

void say_what_is_stale(const Baseline& baseline, const std::vector<const BaselineEntry*>& stale, Context& context) {
    constexpr std::size_t most = 10;
    const std::string file = escape(baseline.path.string());
    for (std::size_t i = 0; i < stale.size() && (i < most || context.options.verbose != 0); ++i) {
        const BaselineEntry& entry = *stale[i];
        context.output.note(fmt::format("{}:{}:{}: note: stale: {}{} is not found any more\n", file, entry.line,
                                        entry.column, entry.rule.empty() ? "" : escape(entry.rule) + " ",
                                        entry.module.empty() ? escape(entry.fingerprint) : quoted(entry.module)));
    }
    if (stale.size() > most && context.options.verbose == 0)
        context.output.note(
            fmt::format("{}: note: {} more are stale; --write-baseline writes it anew\n", file, stale.size() - most));
}

/// The files first: who reads stdout may do so because they are there. False when one could not be written; the others
/// are.
bool write_files(const AuditPlan& plan, const AuditReport& report, const AuditOutputOptions& options,
                 Context& context) {
    bool written = true;
    const auto write = [&](const OutputFile& file, const std::string& text) {
        const std::string problem = file.write(text);
        if (problem.empty()) return;
        written = false;
        context.output.error(problem);
    };
    for (const ReportFile& output : plan.outputs) write(output.file, format_audit(report, output.format, options));
    if (plan.new_baseline) write(*plan.new_baseline, baseline_text(report));
    return written;
}

bool has_modules(const AuditReport& report) {
    return std::any_of(report.binaries.begin(), report.binaries.end(), [](const BinaryAudit& binary) {
        return std::any_of(binary.modules.begin(), binary.modules.end(),
                           [](const ModuleAudit& module) { return module.verdict != Verdict::not_a_module; });
    });
}

/// A list or a folder that turned out to be empty is mostly a mistake: the build that should have filled it failed.
std::string nothing_to_audit(const AuditReport& report, const std::vector<std::string>& inputs) {
    if (inputs.empty()) return "nothing to audit: there is no name on standard input";
    return fmt::format("nothing to audit in {}{}: there is no compiled module in {} file{}", quoted(inputs[0], 4096),
                       inputs.size() == 1 ? "" : fmt::format(" and {} more", inputs.size() - 1),
                       report.statistics.files, report.statistics.files == 1 ? "" : "s");
}

int exit_status(const AuditArguments& arguments, const AuditPlan& plan, const AuditReport& report, bool nothing) {
    if (!report.errors.empty()) return exit_unreadable;
    if (nothing && arguments.strict) return exit_findings;
    // What is written to the baseline is known from now on.
    if (plan.new_baseline) return exit_ok;
    return count_failures(report, plan.fail_on) != 0 ? exit_findings : exit_ok;
}

int run_audit(const AuditArguments& arguments, Context& context, const std::vector<std::string>& paths) {
    refuse_loader_options(context.options);
    AuditPlan plan = make_plan(arguments, context);
    if (plan.policy) plan.options.policy = &*plan.policy;
    const std::vector<std::string> inputs = inputs_from(paths, arguments.null_separated);
    allow_many_files();
    AuditReport report = audit_with_progress(plan, inputs, context);
    for (const IgnoreFilter& filter : plan.ignore) {
        if (ignore_findings(report, filter) == 0 && !context.options.quiet)
            context.output.warning(fmt::format("--ignore {} fits none of the findings", quoted(filter.text)));
    }
    if (plan.baseline) say_what_is_stale(*plan.baseline, apply_baseline(report, *plan.baseline), context);
    const bool nothing = report.errors.empty() && !has_modules(report);
    const int status = exit_status(arguments, plan, report, nothing);

    AuditOutputOptions output;
    std::error_code nowhere;
    output.base = std::filesystem::current_path(nowhere);
    output.verbose = context.options.verbose != 0;
    const bool written = write_files(plan, report, output, context);
    output.color = choose_color(context.options.color, STDOUT_FILENO).on;
    output.summary = !context.options.quiet;
    context.output.write(format_audit(report, plan.format, output));
    // Programs that read the report get these in it; people who only look at stderr should not miss them.
    if (plan.format != AuditFormat::table) {
        for (const InputError& error : report.errors) context.output.error(error.message);
    }
    if (nothing && arguments.strict)
        context.output.error(nothing_to_audit(report, inputs) + " (--strict)");
    else if (nothing)
        context.output.warning(nothing_to_audit(report, inputs));
    return written ? status : exit_unreadable;
}

}  // namespace

Verb audit_verb() {
    auto arguments = std::make_shared<AuditArguments>();
    Verb verb;
    verb.name = "audit";
    verb.summary = audit_summary;
    verb.arguments = "PATH...";
    verb.details =
        "PATH is a file, a folder, a virtual environment, a wheel or another archive, FILE!MEMBER, or '-' for names\n"
        "on stdin. Nothing of it runs on this machine: init functions run in an emulated CPU. The global option\n"
        "--policy accepts or refuses modules, and --path says where modules are that others leave the decision to.\n"
        "The exit status is 0 when nothing is found, 1 with findings (--fail-on), 3 when an input could not be read\n"
        "(the others are audited all the same), 4 when policy or baseline are wrong.";
    verb.at_least = 1;
    verb.at_most = any_number;
    verb.options = {
        choice("--format", arguments->format, {"table", "json", "ndjson", "sarif", "markdown", "csv"},
               "What is printed (default: table; --json is the same as --format json)"),
        option_list("-o,--output", "FORMAT=FILE", arguments->outputs,
                    "Write the report to a file as well; FORMAT= can be left out when the ending says it (.json, "
                    ".ndjson, .sarif, .md, .csv, .txt); repeatable"),
        option_list("--fail-on", "RULE|LEVEL", arguments->fail_on,
                    "Which findings make the exit status 1: error, warning, note, never, or a rule (default: error); "
                    "probable, or weak: modules of which the verdict is not certain; repeatable"),
        flag("--strict", arguments->strict,
             "Fail also when it is not known what a module does (rules IL005 and IL011), when an interpreter that "
             "--python "
             "names loads nothing (IL020), or when there is nothing to audit"),
        option_list("--ignore", "GLOB|RULE[:GLOB]", arguments->ignore,
                    "Findings that do not count, by path, file name or module; repeatable"),
        option("--baseline", "FILE", arguments->baseline, "Findings in this file do not count"),
        option("--write-baseline", "FILE", arguments->write_baseline,
               "Write the findings to a baseline; the exit status is then 0"),
        option_list("--python", "3.14t", arguments->pythons,
                    "The free-threaded interpreter to judge for; repeatable (default: 3.13t, 3.14t, 3.15t)"),
        option(
            "--time-limit", "SECONDS", arguments->time_limit,
            "Stop after so long: what has not been judged by then is an error of the report, and the exit status is 3"),
        flag("-0,--null", arguments->null_separated, "Names on stdin end with a zero byte instead of a newline"),
    };
    verb.run = [arguments](Context& context, const std::vector<std::string>& paths) {
        return run_audit(*arguments, context, paths);
    };
    return verb;
}

}  // namespace interlock::cli
