// import.cpp: `interlock import`: imports modules and says what each got.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <interlock/escape.hpp>
#include <memory>

#include "exit_codes.hpp"
#include "options.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

Json describe(const Module& module, Mode mode_after) {
    const Decision decision = module.decision();
    return Json{{"module", module.name()},
                {"file", module.file().string()},
                {"version", module.version()},
                {"threading", level_name(module.level())},
                {"decided_by", source_name(decision.source)},
                {"why", to_json(decision.why)},
                {"mode_after", mode_name(mode_after)}};
}

int run_import(Context& context, const std::optional<std::string>& timeout, const std::vector<std::string>& names) {
    Session session(context);
    session.guard_calls(timeout);
    Json modules = Json::array();
    base::Columns table({"MODULE", "THREADING", "DECIDED BY", "MODE AFTER", "FILE"});
    bool imported = false, failed = false;
    for (const std::string& name : names) {
        const Result<Module> module = session.import(name);
        if (!module) {
            failed = true;
            context.output.error(module.error().message);
            modules.push_back(Json{{"module", name}, {"error", to_json(module.error())}});
            continue;
        }
        imported = true;
        const Mode mode = session.runtime().mode();
        modules.push_back(describe(*module, mode));
        table.add_texts({escape(module->name()), std::string(level_name(module->level())),
                         std::string(source_name(module->decision().source)), mode_name(mode),
                         escape(module->file().string(), 4096)});
    }
    if (context.options.json)
        context.output.write_json(Json{{"schema_version", 1}, {"modules", std::move(modules)}});
    else if (imported)
        context.output.write(table.text(0, context.output.color()));
    session.finish();
    return failed ? exit_findings : exit_ok;
}

}  // namespace

Verb import_verb() {
    auto timeout = std::make_shared<std::optional<std::string>>();
    Verb verb;
    verb.name = "import";
    verb.summary = "Import modules and say which threading level each got, and why";
    verb.arguments = "MODULE...";
    verb.details =
        "MODULE is a dotted name; the folders of --path and INTERLOCK_PATH are searched. A module that cannot be\n"
        "imported does not keep the others from it; the exit status is then 1.";
    verb.at_least = 1;
    verb.at_most = any_number;
    verb.options = {timeout_option(*timeout)};
    verb.run = [timeout](Context& context, const std::vector<std::string>& names) {
        return run_import(context, *timeout, names);
    };
    return verb;
}

}  // namespace interlock::cli
