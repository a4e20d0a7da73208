// The warning that a module made the runtime fall back: what it needs, why, who imported it, and the ways out.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
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

/// Pins a manifest to a file, and says by what: " (build-id ...)".
std::string pin(Manifest& manifest, const std::filesystem::path& file, const std::string& build_id) {
    manifest.build_id = manifest.sha256 = std::nullopt;
    if (!build_id.empty()) {
        manifest.build_id = build_id;
        return " (build-id " + build_id + ")";
    }
    Result<std::string> digest = sha256_file(file);
    if (!digest) return "";
    manifest.sha256 = *digest;
    return " (sha256 " + *digest + ")";
}

std::string json_string(std::string_view text) { return Value(text).to_json(); }

}  // namespace

Warning LoaderState::fallback_warning(std::string_view name, const ModuleFile& file, const Judged& judged,
                                      const std::vector<std::string>& imported_by,
                                      const std::optional<SwitchReport>& switched) const {
    Warning warning{WarningCategory::fallback,
                    std::string(name),
                    options.python_wording ? python_fallback_headline(name) : fallback_headline(name),
                    {}};
    warning.python = options.python_wording;
    const auto add = [&](const char* label, std::string text) { warning.details.push_back({label, std::move(text)}); };
    // Whose statement is wanting: its own, or that of a library that it pulls in.
    const auto library = std::find_if(judged.libraries.begin(), judged.libraries.end(),
                                      [](const PulledLibrary& one) { return one.needs_lock(); });
    const bool by_library = judged.decision.source == DecisionSource::library && library != judged.libraries.end();
    Manifest manifest;
    manifest.module = name;
    manifest.threading = ThreadingLevel::free;
    manifest.declared_by = "who";
    manifest.reason = "why it is safe";
    add("file", escape(file.path.string(), 2000) + pin(manifest, file.path, file.build_id));
    if (by_library) {
        manifest.module = library->modules.empty() ? std::string(name) : library->modules.front();
        add("library", escape(library->file.string(), 2000) + pin(manifest, library->file, library->build_id));
    }
    for (const Reason& reason : judged.decision.why) add("why", reason.text);
    for (const std::string& importer : imported_by) add("imported by", importer);
    const std::string turn = "one thread at a time runs module code until '" + escape(name, 1000) + "' is unloaded";
    if (!switched)
        add("effect", turn);
    else if (switched->switched)
        add("effect", turn + "; the switch took " + in_ms(switched->duration));
    else
        add("effect", turn + "; the global lock was on already");
    if (!by_library)
        add("fix",
            "if the module is safe, its author says so: IL_MODULE(..., FREE, ...), or from a legacy init function "
            "il_set_threading(host, module, IL_THREADING_FREE)");
    else if (library->kind == LibraryKind::interlock_module)
        add("fix", "if the library is safe, its author says so: IL_MODULE(..., FREE, ...) for each module in it");
    else
        add("fix", "if the library is safe to be used by several threads at once, say so");
    if (manifest.build_id || manifest.sha256) {
        const std::filesystem::path& whose = by_library ? library->file : file.path;
        add("fix", "or in " + escape(manifest_path(whose).string(), 2000) + ": " + to_json_text(manifest));
    }
    const std::string given_by = options.policy_hint.empty() ? "" : " (" + options.policy_hint + ")";
    add("fix", "or in a policy file" + given_by + ": {\"rules\": [{\"match\": {\"module\": " + json_string(name) +
                   "}, \"threading\": \"module_lock\", \"reason\": \"...\"}]}");
    if (const std::string& hint = runtime.options().gil_hint; !hint.empty())
        add("fix", "or for all modules, at your own risk: " + hint);
    return warning;
}

}  // namespace interlock::detail
