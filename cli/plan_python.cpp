// plan_python.cpp: the interpreter itself says which modules there are and which of them a script reaches
// (environment.py); what becomes of them is decided as at their import (cpython_import.hpp).
//
// SPDX-License-Identifier: MIT
#include "plan_python.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include <interlock/escape.hpp>

#include "audit/cpython_import.hpp"
#include "exit_codes.hpp"
#include "loader/library_search.hpp"
#include "python_interpreter.hpp"
#include "session.hpp"

namespace interlock::cli {

namespace {

struct Module {
    std::string name, file;
    std::string reached;  ///< "imported", "possible", "all"
    std::vector<std::string> by;
    auditing::ImportDecision decision;
    std::vector<detail::MissingLibrary> lacks;  ///< so an import fails
};

/// An import that finds nothing.
struct MissingModule {
    std::string name, at;
};

struct Environment {
    std::string interpreter;
    PythonVersion version;
    bool free_threaded = false;
    std::vector<Module> modules;
    std::vector<MissingModule> missing;
    std::vector<std::string> unseen;  ///< editable installs of which it is not known what they add
    std::vector<std::string> notes;
    std::map<std::string, std::string> files;  ///< of all modules, by name
    std::string executable;                    ///< of the process, where its libraries can be looked for
    std::vector<std::string> libraries;        ///< that are loaded in it
    std::vector<std::string> path;

    bool fails_to_import() const {
        return !missing.empty() ||
               std::any_of(modules.begin(), modules.end(), [](const Module& module) { return !module.lacks.empty(); });
    }
    bool leaves_gil_off() const {
        return unseen.empty() && std::all_of(modules.begin(), modules.end(), [](const Module& module) {
                   return module.decision.action == PolicyAction::free;
               });
    }
};

Environment ask(const std::string& python, const std::vector<std::string>& targets) {
    Environment environment;
    environment.interpreter = find_interpreter(python);
    std::vector<std::string> arguments{"-I", "-S", "-c", environment_program};
    arguments.insert(arguments.end(), targets.begin(), targets.end());
    const Answer answer = ask_interpreter(environment.interpreter, arguments);
    const Json json = Json::parse(answer.out, nullptr, false);
    if (answer.status != 0 || !json.is_object())
        throw CommandError(exit_unreadable,
                           fmt::format("{} could not say what there is: it ended with status {}{}",
                                       quoted(environment.interpreter, 4096), answer.status,
                                       answer.status == 0 ? ", with an answer that is none" : "; why is above"));
    environment.version = {json.at("version").at(0).get<unsigned>(), json.at("version").at(1).get<unsigned>()};
    environment.free_threaded = json.at("free_threaded").get<bool>();
    environment.notes = json.at("notes").get<std::vector<std::string>>();
    environment.files = json.at("everything").get<std::map<std::string, std::string>>();
    for (const Json& one : json.at("modules"))
        environment.modules.push_back({one.at("module"),
                                       one.at("file"),
                                       one.at("reached"),
                                       one.at("by").get<std::vector<std::string>>(),
                                       {},
                                       {}});
    for (const Json& one : json.at("missing")) environment.missing.push_back({one.at("module"), one.at("imported_at")});
    environment.unseen = json.at("unseen").get<std::vector<std::string>>();
    environment.executable = json.at("executable").get<std::string>();
    environment.libraries = json.at("libraries").get<std::vector<std::string>>();
    environment.path = json.at("path").get<std::vector<std::string>>();
    return environment;
}

/// Where a package brings the library and loads it before: file by name, of all that lie on the path.
std::map<std::string, std::string> files_on_path(const Environment& environment) {
    std::map<std::string, std::string> files;
    for (const std::string& folder : environment.path) {
        std::error_code error;
        std::filesystem::recursive_directory_iterator entry(
            folder, std::filesystem::directory_options::skip_permission_denied, error),
            end;
        for (; !error && entry != end; entry.increment(error))
            if (const std::string name = entry->path().filename().native(); name.find(".so") != name.npos)
                files.emplace(name, entry->path().native());
    }
    return files;
}

void find_missing_libraries(Environment& environment) {
    if (environment.executable.empty()) return;
    const char* library_path = std::getenv("LD_LIBRARY_PATH");
    detail::LibrarySearch search(environment.executable, library_path == nullptr ? "" : library_path);
    std::optional<std::map<std::string, std::string>> on_path;
    for (Module& module : environment.modules) {
        module.lacks = detail::missing_libraries(search, module.file, environment.libraries);
        if (module.lacks.empty()) continue;
        if (!on_path) on_path = files_on_path(environment);
        std::erase_if(module.lacks, [&](const detail::MissingLibrary& library) {
            const auto file = on_path->find(library.name);
            if (file == on_path->end()) return false;
            environment.notes.push_back(fmt::format("{} needs {}, which is only there when something loads {} before",
                                                    module.name, library.name, file->second));
            return true;
        });
    }
}

auditing::ImportSettings settings_for(const Context& context) {
    auditing::ImportSettings settings;
    try {
        if (load_policy(context)) settings.policy = auditing::policy_for_cpython(context.settings.policy->value);
    } catch (const Failure& failure) {
        throw CommandError(exit_bad_policy, failure.what());
    }
    try {
        for (const std::string& text : context.options.overrides) {
            auto [module, action] = auditing::override_from_text(text);
            settings.overrides.insert_or_assign(std::move(module), action);
        }
    } catch (const Failure& failure) {
        throw UsageError(fmt::format("--override: {}", failure.what()));
    }
    return settings;
}

/// Each file is judged once, also where it makes the modules of many others.
class Decisions {
public:
    Decisions(const Environment& environment, auditing::ImportSettings settings)
        : environment_(environment), settings_(std::move(settings)) {}

    auditing::ImportDecision about(const std::string& module, const std::string& file) {
        auditing::ImportDecision decision = alone(module, file);
        auditing::follow_delegation(decision, [&](const std::string& name) -> std::optional<auditing::MakerModule> {
            const auto maker = environment_.files.find(name);
            if (maker == environment_.files.end()) return std::nullopt;
            return auditing::MakerModule{escape(name), alone(name, maker->second)};
        });
        return decision;
    }

private:
    const auditing::ImportDecision& alone(const std::string& module, const std::string& file) {
        const auto [place, fresh] = known_.try_emplace({file, module});
        if (fresh) {
            auto found = auditing::audit_extension(environment_.version, file, module);
            place->second = auditing::decide_import(
                settings_, module, file,
                found ? std::make_shared<const auditing::ExtensionModule>(std::move(*found)) : nullptr,
                found ? std::string() : found.error().message);
        }
        return place->second;
    }

    const Environment& environment_;
    const auditing::ImportSettings settings_;
    std::map<std::pair<std::string, std::string>, auditing::ImportDecision> known_;  ///< by file and name
};

std::string_view effect_on_gil(PolicyAction action) noexcept {
    switch (action) {
        case PolicyAction::free:
            return "off";
        case PolicyAction::global_lock:
            return "ON";
        case PolicyAction::refuse:
            return "import fails";
        default:
            break;
    }
    return "not known";
}

std::string how(const Module& module) {
    if (module.reached != "imported") return module.reached == "possible" ? "possible" : "";
    std::string text = "imported by ";
    for (std::size_t i = 0; i < module.by.size(); ++i) text += (i == 0 ? "" : " <- ") + escape(module.by[i], 4096);
    return text;
}

Json to_json(const Environment& environment) {
    Json modules = Json::array(), on = Json::array();
    for (const Module& module : environment.modules) {
        Json lacks = Json::array();
        for (const detail::MissingLibrary& library : module.lacks)
            lacks.push_back({{"name", library.name}, {"needed_by", library.needed_by}});
        const auditing::ExtensionModule* known = module.decision.module.get();
        modules.push_back(
            {{"module", module.name},
             {"file", module.file},
             {"reached", module.reached},
             {"imported_by", module.by},
             {"verdict", known == nullptr ? "" : verdict_name(known->verdict)},
             {"confidence",
              known == nullptr || known->verdict == Verdict::undetermined ? "" : confidence_name(known->confidence)},
             {"action", action_name(module.decision.action)},
             {"decided_by", source_name(module.decision.source)},
             {"why", cli::to_json(module.decision.why)},
             {"missing_libraries", std::move(lacks)}});
        if (module.decision.action == PolicyAction::global_lock) on.push_back(module.name);
    }
    Json missing = Json::array();
    for (const MissingModule& one : environment.missing)
        missing.push_back({{"module", one.name}, {"imported_at", one.at}});
    return {{"schema_version", 1},
            {"python",
             {{"executable", environment.interpreter},
              {"version", environment.version.text()},
              {"free_threaded", environment.free_threaded}}},
            {"turn_gil_on", std::move(on)},
            {"modules", std::move(modules)},
            {"missing", std::move(missing)},
            {"unseen", environment.unseen},
            {"notes", environment.notes}};
}

std::string failure_in_words(const Module& module) {
    std::string text;
    for (const detail::MissingLibrary& library : module.lacks)
        text += fmt::format("  {:<11} {} needs the library {}, which the dynamic linker does not find\n", "error",
                            quoted(library.needed_by, 4096), quoted(library.name, 1000));
    return text;
}

std::string failure_in_words(const MissingModule& missing) {
    return fmt::format("{}  imported by {}\n  {:<11} there is no module of this name where the interpreter looks\n",
                       escape(missing.name, 1000), escape(missing.at, 4096), "error");
}

std::string failures_in_words(const Environment& environment) {
    std::string text;
    for (const Module& module : environment.modules)
        if (!module.lacks.empty())
            text += fmt::format("{}  {}\n{}", escape(module.name, 1000), escape(module.file, 4096),
                                failure_in_words(module));
    for (const MissingModule& one : environment.missing) text += failure_in_words(one);
    return text;
}

std::string in_words(const Environment& environment, const Context& context) {
    base::Columns table({"MODULE", "VERDICT", "DECISION", "DECIDED BY", "GIL", "REACHED"});
    std::string reasons;
    std::array<std::size_t, 5> counts{};
    std::size_t shown = 0, failing = 0;
    for (const Module& module : environment.modules) {
        const auditing::ImportDecision& decision = module.decision;
        if (module.lacks.empty())
            ++counts[static_cast<std::size_t>(decision.action)];
        else
            ++failing;
        const bool by_marker =
            decision.action == PolicyAction::free && decision.source == DecisionSource::marker && module.lacks.empty();
        if (by_marker && module.reached != "imported" && context.options.verbose == 0) continue;
        ++shown;
        table.add_texts(
            {escape(module.name, 1000), decision.module ? std::string(verdict_name(decision.module->verdict)) : "-",
             std::string(action_name(decision.action)), std::string(source_name(decision.source)),
             module.lacks.empty() ? std::string(effect_on_gil(decision.action)) : "import fails", how(module)});
        if (by_marker) continue;
        reasons += fmt::format("{}  {}\n", escape(module.name, 1000), escape(module.file, 4096));
        for (const Reason& reason : decision.why)
            reasons += fmt::format("  {:<11} {}: {}\n", reason.decided ? "decided by" : "asked",
                                   source_name(reason.source), reason.text);
        reasons += failure_in_words(module);
    }
    for (const MissingModule& one : environment.missing)
        table.add_texts({escape(one.name, 1000), "-", "-", "-", "import fails", "imported by " + escape(one.at, 4096)});
    for (const MissingModule& one : environment.missing) reasons += failure_in_words(one);
    std::string text;
    if (shown + environment.missing.size() != 0) text += table.text(0, context.output.color());
    if (!reasons.empty()) text += "\n" + reasons;
    if (context.options.quiet) return text;
    if (!text.empty()) text += "\n";
    for (const std::string& note : environment.notes) text += fmt::format("note: {}\n", escape(note, 4096));
    const auto count = [&](PolicyAction action) { return counts[static_cast<std::size_t>(action)]; };
    text += fmt::format(
        "Python {}: {} extension module{}: {} leave the GIL off, {} would turn it on, {} are refused, "
        "of {} it is not known",
        environment.version.text(), environment.modules.size(), environment.modules.size() == 1 ? "" : "s",
        count(PolicyAction::free), count(PolicyAction::global_lock), count(PolicyAction::refuse),
        count(PolicyAction::interpreter));
    if (failing != 0) text += fmt::format(", {} cannot be loaded", failing);
    if (!environment.missing.empty())
        text += fmt::format("; {} import{} not found", environment.missing.size(),
                            environment.missing.size() == 1 ? " is" : "s are");
    if (!environment.unseen.empty())
        text += fmt::format("; what {} editable install{} not seen", environment.unseen.size(),
                            environment.unseen.size() == 1 ? " adds is" : "s add is");
    if (shown < environment.modules.size()) text += "; -v shows all";
    return text + "\n";
}

}  // namespace

int plan_python(const std::string& python, Context& context, const std::vector<std::string>& targets) {
    if (targets.size() > 1) throw UsageError("plan --python takes one script or folder, or none for all there is");
    if (!context.options.x.empty()) throw UsageError("plan --python says what happens without -X gil; leave it out");
    Environment environment = ask(python, targets);
    find_missing_libraries(environment);
    if (!environment.free_threaded) {
        if (context.options.json)
            context.output.write_json(to_json(environment));
        else
            context.output.write(fmt::format("{}{} is not free-threaded, so markers have no effect there\n",
                                             failures_in_words(environment), escape(environment.interpreter, 4096)));
        return environment.fails_to_import() ? exit_findings : exit_ok;
    }
    Decisions decisions(environment, settings_for(context));
    for (Module& module : environment.modules) module.decision = decisions.about(module.name, module.file);
    if (context.options.json)
        context.output.write_json(to_json(environment));
    else
        context.output.write(in_words(environment, context));
    return environment.leaves_gil_off() && !environment.fails_to_import() ? exit_ok : exit_findings;
}

}  // namespace interlock::cli
