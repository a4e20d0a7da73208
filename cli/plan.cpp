// plan.cpp: `interlock plan`: what an import would do and why, without mapping the module. What only an init function
// can say comes from the audit.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <interlock/audit.hpp>
#include <interlock/escape.hpp>
#include <interlock/marker.hpp>
#include <memory>
#include <set>

#include "exit_codes.hpp"
#include "module_files.hpp"
#include "options.hpp"
#include "plan_python.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

/// A module, and for one that was given as a file the folder below which its name leads to it.
struct Target {
    std::string name;
    std::optional<fs::path> folder;
};

/// The folder below which `name` leads to `file`, or nullopt: a/b.so and a/b/__init__.so are module a.b.
std::optional<fs::path> root_for(const fs::path& file, std::string_view name) {
    fs::path rest = file.parent_path();
    std::string stem = file.stem().string();
    if (stem == "__init__") {
        stem = rest.filename().string();
        rest = rest.parent_path();
    }
    for (std::size_t end = name.size();;) {
        const std::size_t dot = end == 0 ? name.npos : name.rfind('.', end - 1);
        const std::size_t begin = dot == name.npos ? 0 : dot + 1;
        if (name.substr(begin, end - begin) != stem) return std::nullopt;
        if (dot == name.npos) return rest;
        stem = rest.filename().string();
        rest = rest.parent_path();
        end = dot;
    }
}

/// `read` is what the loader's reader says of the file.
Target target_of(const std::string& argument, const Result<ModuleFile>& read) {
    std::error_code no_working_folder;
    const fs::path file = fs::absolute(argument, no_working_folder).lexically_normal();
    if (no_working_folder) return {argument, std::nullopt};
    if (read) {
        for (const Marker& marker : read->markers) {
            if (auto folder = root_for(file, marker.module)) return {marker.module, std::move(folder)};
        }
    }
    // Without a marker that fits, the name by which it can be imported from its folder.
    const bool package = file.stem() == "__init__";
    const fs::path named = package ? file.parent_path() : file;
    return {named.stem().string(), named.parent_path()};
}

std::string_view entry_name(EntryKind entry) noexcept {
    switch (entry) {
        case EntryKind::none:
            break;
        case EntryKind::export_:
            return "export";
        case EntryKind::legacy_init:
            return "legacy_init";
    }
    return "none";
}

/// "  label       value", a line of an answer.
void add_line(std::string& text, std::string_view label, std::string_view value) {
    text += fmt::format("  {:<11} {}\n", label, value);
}

/// What the audit says of the module that an import of `file` finds, if there is one and its ABI is as wanted.
std::optional<ModuleAudit> audited(const fs::path& file, bool of_interlock) {
    AuditReport report = audit(file);
    for (BinaryAudit& binary : report.binaries) {
        if (binary.modules.empty() || binary.modules.front().verdict == Verdict::not_a_module) continue;
        if ((binary.abi == AbiFlavour::interlock) != of_interlock) return std::nullopt;
        return std::move(binary.modules.front());
    }
    return std::nullopt;
}

/// A legacy module says what it is from inside its init function, unless somebody else has decided.
bool init_function_decides(const Plan& plan) noexcept {
    return plan.entry == EntryKind::legacy_init && plan.decision.source == DecisionSource::default_ &&
           !plan.already_loaded && !plan.error;
}

std::string_view after_init(const std::optional<ModuleAudit>& init) noexcept {
    switch (init ? init->verdict : Verdict::undetermined) {
        case Verdict::free:
            return "would fall back to locked mode until its init function declares it free";
        case Verdict::unmarked:
        case Verdict::global_lock:
            return "would fall back to locked mode";
        default:
            return "would fall back to locked mode, and leave it if its init function declares it free";
    }
}

std::string verdict(const Output& output, const Plan& plan, const std::optional<ModuleAudit>& init) {
    if (plan.error) return output.styled(base::Style::red, fmt::format("would fail ({})", errc_name(plan.error->code)));
    if (plan.would_fall_back) {
        return output.styled(base::Style::yellow,
                             init_function_decides(plan) ? after_init(init) : "would fall back to locked mode");
    }
    std::string text = fmt::format("would be imported as {}", action_name(plan.decision.action));
    if (plan.already_loaded) text += "; is loaded";
    return output.styled(base::Style::green, text);
}

std::string in_words(const ModuleAudit& audit) {
    const std::string_view sure = confidence_name(audit);
    return fmt::format("{}{}{}", verdict_name(audit.verdict), sure.empty() ? "" : fmt::format(" ({})", sure),
                       audit.reason.empty() ? "" : ": " + audit.reason);
}

/// Only of those that mean something for the import: most are the system's.
std::string in_words(const PulledLibrary& library) {
    std::string text = escape(library.file.string(), 4096);
    if (library.kind != LibraryKind::library) {
        const bool python = library.kind == LibraryKind::python_module;
        text += fmt::format(": {} {}", python ? "extension module of CPython" : "module",
                            escape(library.modules.front(), 1000));
        if (library.modules.size() > 1) text += fmt::format(" and {} more", library.modules.size() - 1);
        text += fmt::format(", {}", library.marker ? marker_state_name(*library.marker) : "not known");
    }
    if (library.action) text += fmt::format("; decided: {}", action_name(*library.action));
    return text;
}

std::string in_words(const Output& output, const Plan& plan, const std::optional<ModuleAudit>& init) {
    std::string text = fmt::format("{}: {}\n", output.styled(base::Style::bold, escape(plan.module, 1000)),
                                   verdict(output, plan, init));
    const auto line = [&](std::string_view label, std::string_view value) { add_line(text, label, value); };
    line("file", escape(plan.file.string(), 4096));
    // Of a file that is not the module nothing else matters.
    if (plan.error && plan.error->code == Errc::missing_symbol) {
        line("error", plan.error->message);
        return text;
    }
    if (!plan.build_id.empty()) line("build-id", plan.build_id);
    line("entry point",
         plan.entry == EntryKind::legacy_init ? "init function of the legacy kind" : entry_name(plan.entry));
    line("marker", marker_state_name(plan.marker));
    for (const Reason& reason : plan.decision.why)
        line(reason.decided ? "decided by" : "asked", fmt::format("{}: {}", source_name(reason.source), reason.text));
    for (const PulledLibrary& library : plan.libraries)
        if (library.kind != LibraryKind::library || library.action || library.error) line("library", in_words(library));
    if (init) line("audit", in_words(*init));
    if (plan.error) line("error", plan.error->message);
    for (const Warning& warning : plan.warnings) {
        line("warning", fmt::format("{}: {}", category_name(warning.category), warning.headline));
        for (const WarningDetail& detail : warning.details) {
            if (detail.label == "fix") line("fix", detail.text);
        }
    }
    return text;
}

Json to_json(const ModuleAudit& audit) {
    Json effects = Json::object();
    for (const EffectOn& effect : audit.effects) effects[effect.python.text()] = effect_name(effect.effect);
    Json json{{"verdict", verdict_name(audit.verdict)},
              {"confidence", audit.verdict == Verdict::undetermined ? Json(nullptr) : Json(confidence_name(audit))},
              {"reason", audit.reason}};
    if (!effects.empty()) json["effects"] = std::move(effects);
    return json;
}

Json to_json(const Plan& plan, const std::optional<ModuleAudit>& init) {
    Json warnings = Json::array();
    for (const Warning& warning : plan.warnings) warnings.push_back(Json::parse(warning.to_json()));
    Json libraries = Json::array();
    for (const PulledLibrary& library : plan.libraries) libraries.push_back(Json::parse(library.to_json()));
    Json json{{"module", plan.module},
              {"file", plan.file.string()},
              {"build_id", plan.build_id},
              {"entry", entry_name(plan.entry)},
              {"marker", marker_state_name(plan.marker)},
              {"action", action_name(plan.decision.action)},
              {"decided_by", source_name(plan.decision.source)},
              {"why", cli::to_json(plan.decision.why)},
              {"would_fall_back", plan.would_fall_back},
              {"already_loaded", plan.already_loaded},
              {"libraries", std::move(libraries)},
              {"warnings", std::move(warnings)}};
    if (init) json["audit"] = to_json(*init);
    if (plan.error) json["error"] = cli::to_json(*plan.error);
    return json;
}

/// An extension module of CPython, when `argument` is a file with one.
struct Extension {
    std::string file;
    ModuleAudit audit;
};
std::optional<Extension> extension_in(const std::string& argument) {
    std::optional<ModuleAudit> module = audited(argument, false);
    if (!module) return std::nullopt;
    return Extension{argument, std::move(*module)};
}

Error error_of(const Extension& extension) {
    return {
        Errc::missing_symbol,
        fmt::format("{} is an extension module of CPython, which imports it, and not interlock's loader; `interlock "
                    "inspect` says what that does to the GIL",
                    quoted(extension.file, 4096))};
}

std::string in_words(const Output& output, const Extension& extension) {
    const Error error = error_of(extension);
    std::string text =
        fmt::format("{}: {}\n", output.styled(base::Style::bold, escape(extension.audit.name, 1000)),
                    output.styled(base::Style::red, fmt::format("would fail ({})", errc_name(error.code))));
    const auto line = [&](std::string_view label, std::string_view value) { add_line(text, label, value); };
    line("file", escape(extension.file, 4096));
    line("audit", in_words(extension.audit));
    for (const EffectOn& effect : extension.audit.effects)
        line("", fmt::format("{}: {}{}", effect.python.text(), effect_name(effect.effect),
                             effect.why.empty() ? "" : ": " + effect.why));
    line("error", error.message);
    return text;
}

Json to_json(const Extension& extension) {
    return {{"module", extension.audit.name},
            {"file", extension.file},
            {"audit", to_json(extension.audit)},
            {"error", cli::to_json(error_of(extension))}};
}

/// What to do when the marker is for a module of another name; empty when it is not.
std::string advice_for_name(const std::string& module, const ModuleFile& file) {
    if (file.markers.empty() || file.marker_for(module) != nullptr) return "";
    return fmt::format(
        "the marker is for module {}: state the name {} in IL_MODULE, or import it by that of the marker",
        quoted(file.markers.front().module), quoted(module));
}

/// Leaves in a plan what belongs to what would happen: an import that fails otherwise issues no warning, and where the
/// name is wrong the advice is to correct it.
void correct_advice(Plan& plan) {
    if (plan.error && plan.error->code != Errc::warning_as_error) plan.warnings.clear();
    if (plan.warnings.empty() || plan.marker != MarkerState::unmarked) return;
    const Result<ModuleFile> file = read_module_file(plan.file);
    const std::string advice = file ? advice_for_name(plan.module, *file) : std::string();
    if (advice.empty()) return;
    for (Warning& warning : plan.warnings) {
        if (warning.category != WarningCategory::fallback) continue;
        std::erase_if(warning.details, [](const WarningDetail& detail) { return detail.label == "fix"; });
        warning.details.push_back({"fix", advice});
    }
}

/// The program that would import the modules, which has less libraries in it than this one; empty if it is not found.
fs::path loading_program() {
    std::error_code error;
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& program :
         {(folder / INTERLOCK_PROGRAM_FOLDER / "interlock").lexically_normal(), folder / "interlock"})
        if (fs::is_regular_file(program, error)) return program;
    return {};
}

class Planner {
public:
    explicit Planner(Context& context) : context_(context), policy_(load_policy(context)) {}

    int run(const std::vector<std::string>& arguments) {
        for (const std::string& argument : arguments) {
            Target target{argument, std::nullopt};
            if (argument.ends_with(".so") || argument.ends_with(".pyd")) {
                const Result<ModuleFile> file = read_module_file(argument);
                if (!file && file.error().code == Errc::not_found) {
                    fail(argument, file.error());
                    continue;
                }
                const auto extension = file && is_module(*file) ? std::nullopt : extension_in(argument);
                if (extension) {
                    findings_ = true;
                    show(*extension);
                    continue;
                }
                if (argument.ends_with(".so")) target = target_of(argument, file);
            }
            // A file has to be found in its own folder first, whatever the others are.
            if (target.folder || !session_ || in_own_folder_) begin_session(target);
            // An import imports the packages first.
            for (std::size_t dot = target.name.find('.'); dot != target.name.npos; dot = target.name.find('.', dot + 1))
                add(target.name.substr(0, dot), true);
            add(target.name, false);
        }
        if (context_.options.json)
            context_.output.write_json(Json{{"schema_version", 1}, {"modules", std::move(modules_)}});
        if (!session_) begin_session({});  // which writes the report
        session_->finish();
        return findings_ ? exit_findings : exit_ok;
    }

private:
    void begin_session(const Target& target) {
        if (session_) session_->finish();
        session_.reset();
        in_own_folder_ = target.folder.has_value();
        std::vector<fs::path> first;
        if (target.folder) first.push_back(*target.folder);
        session_.emplace(context_, policy_, std::move(first), loading_program());
        planned_.clear();
    }

    void add(const std::string& name, bool is_package) {
        if (!planned_.insert(name).second && is_package) return;
        ImportOptions options;
        options.importer = "the command line";
        Result<Plan> plan = session_->loader().plan(name, options);
        if (!plan) {
            // Many packages are mere folders; and what is wrong with the name will be said of all of it.
            if (is_package) return;
            fail(name, plan.error());
            return;
        }
        correct_advice(*plan);
        findings_ = findings_ || plan->error || plan->would_fall_back;
        const auto init = init_function_decides(*plan) ? audited(plan->file, true) : std::nullopt;
        if (context_.options.json)
            modules_.push_back(to_json(*plan, init));
        else
            context_.output.write(in_words(context_.output, *plan, init));
    }

    void fail(const std::string& name, const Error& error) {
        findings_ = true;
        context_.output.error(error.message);
        modules_.push_back(Json{{"module", name}, {"error", cli::to_json(error)}});
    }

    void show(const Extension& extension) {
        if (context_.options.json)
            modules_.push_back(to_json(extension));
        else
            context_.output.write(in_words(context_.output, extension));
    }

    Context& context_;
    const std::optional<Policy> policy_;
    std::optional<Session> session_;
    bool in_own_folder_ = false;
    std::set<std::string> planned_;  // in this session
    Json modules_ = Json::array();
    bool findings_ = false;
};

}  // namespace

Verb plan_verb() {
    Verb verb;
    verb.name = "plan";
    verb.summary = plan_summary;
    verb.arguments = "MODULE|FILE.so...|--python PATH [SCRIPT|FOLDER]";
    verb.details =
        "Prints everybody who was asked for the threading level, in order, and who decided; the warnings that the\n"
        "import would issue, and how to get rid of them. The packages of a module come before it, as they would be\n"
        "imported. What a module of the legacy kind says in its init function is what the audit found it to say, in\n"
        "an emulator. No code runs. The exit status is 0 when all imports would succeed without a fallback to\n"
        "locked mode, else 1.\n"
        "With --python it is about a Python environment: which extension modules would turn the GIL on, under\n"
        "`interlock python` with the same policy. For a SCRIPT these are the modules that its import statements\n"
        "reach, and as possible ones the others of those packages and of what they require; with a dynamic import\n"
        "in code of its own, all that are installed. For a FOLDER, all in it and below; else all that could be\n"
        "imported. The exit status is 0 when all of them leave the GIL off and can be imported, else 1.";
    auto python = std::make_shared<std::optional<std::string>>();
    verb.at_least = 0;
    verb.at_most = any_number;
    verb.options = {
        option("--python", "PATH", *python, "A Python interpreter, its virtual environment, or a version as 3.14t"),
    };
    verb.run = [python](Context& context, const std::vector<std::string>& arguments) {
        if (*python) return plan_python(**python, context, arguments);
        if (arguments.empty()) throw UsageError("'plan' takes MODULE|FILE.so..., but nothing was given");
        return Planner(context).run(arguments);
    };
    return verb;
}

}  // namespace interlock::cli
