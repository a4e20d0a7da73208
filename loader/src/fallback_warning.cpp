// The warning that a module made the runtime fall back: what it needs, why, who imported it, and the ways out.
//
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "loader_state.hpp"

namespace interlock::detail {

namespace {

std::string in_ms(std::chrono::nanoseconds duration) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f ms", std::chrono::duration<double, std::milli>(duration).count());
    return text;
}

std::string json_string(std::string_view text) { return Value(text).to_json(); }

}  // namespace

Warning LoaderState::fallback_warning(std::string_view name, const ModuleFile& file, const Decision& decision,
                                      const std::vector<std::string>& imported_by,
                                      const std::optional<SwitchReport>& switched) const {
    Warning warning{WarningCategory::fallback, std::string(name),
                    options.python_wording ? python_fallback_headline(name) : fallback_headline(name), {}};
    warning.python = options.python_wording;
    const auto add = [&](const char* label, std::string text) {
        warning.details.push_back({label, std::move(text)});
    };
    Manifest manifest;
    manifest.module = name;
    manifest.threading = ThreadingLevel::free;
    manifest.declared_by = "who";
    manifest.reason = "why it is safe";
    std::string identity;
    if (!file.build_id.empty()) {
        manifest.build_id = file.build_id;
        identity = "build-id " + file.build_id;
    } else if (Result<std::string> digest = sha256_file(file.path)) {
        manifest.sha256 = *digest;
        identity = "sha256 " + *digest;
    }
    add("file", escape(file.path.string(), 2000) + (identity.empty() ? "" : " (" + identity + ")"));
    for (const Reason& reason : decision.why) add("why", reason.text);
    for (const std::string& importer : imported_by) add("imported by", importer);
    const std::string turn = "one thread at a time runs module code until '" + escape(name, 1000) + "' is unloaded";
    if (!switched)
        add("effect", turn);
    else if (switched->switched)
        add("effect", turn + "; the switch took " + in_ms(switched->duration));
    else
        add("effect", turn + "; the global lock was on already");
    add("fix", "if the module is safe, its author says so: IL_MODULE(..., FREE, ...), or from a legacy init function "
               "il_set_threading(host, module, IL_THREADING_FREE)");
    if (manifest.build_id || manifest.sha256)
        add("fix", "or in " + escape(manifest_path(file.path).string(), 2000) + ": " + to_json_text(manifest));
    const std::string given_by = options.policy_hint.empty() ? "" : " (" + options.policy_hint + ")";
    add("fix", "or in a policy file" + given_by + ": {\"rules\": [{\"match\": {\"module\": " + json_string(name) +
                   "}, \"threading\": \"module_lock\", \"reason\": \"...\"}]}");
    if (const std::string& hint = runtime.options().gil_hint; !hint.empty())
        add("fix", "or for all modules, at your own risk: " + hint);
    return warning;
}

}  // namespace interlock::detail
