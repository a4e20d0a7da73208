// What an import would do (Plan in loader.hpp): steps 1 to 4 of the import, with nothing mapped and nothing switched.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>

#include <interlock/escape.hpp>

#include "loader_state.hpp"

namespace interlock {

using detail::LoaderState;

namespace {

Plan plan_of_loaded(const detail::ModuleRecord& record) {
    Plan plan;
    plan.module = record.name;
    plan.file = record.file.path;
    plan.build_id = record.file.build_id;
    plan.entry = record.legacy ? EntryKind::legacy_init : EntryKind::export_;
    if (const Marker* marker = record.file.marker_for(record.name); marker != nullptr && marker->threading)
        plan.marker = static_cast<MarkerState>(*marker->threading);
    std::lock_guard guard(record.objects);
    plan.decision = record.decision;
    plan.libraries = record.libraries;
    plan.already_loaded = true;
    return plan;
}

/// What the dynamic linker would say.
std::optional<Error> missing_library(const Plan& plan) {
    const auto missing = std::find_if(plan.libraries.begin(), plan.libraries.end(), [](const PulledLibrary& library) {
        return library.origin == LibraryOrigin::not_found;
    });
    if (missing == plan.libraries.end()) return std::nullopt;
    return Error{Errc::load_failed, "module " + quoted(plan.module) + " from " + quoted(plan.file.string(), 1000) +
                                        ": " + quoted(missing->needed_by, 1000) + " needs the library " +
                                        quoted(missing->name, 1000) +
                                        ", which the dynamic linker does not find; install it, or name its folder in "
                                        "LD_LIBRARY_PATH or in the file's RUNPATH"};
}

}  // namespace

Result<Plan> Loader::plan(std::string_view name, const ImportOptions& options) const {
    if (Outcome valid = detail::check_name(name); !valid) return std::move(valid).error();
    {
        std::lock_guard guard(state_->mutex);
        if (const auto entry = state_->loaded.find(name); entry != state_->loaded.end())
            return plan_of_loaded(*entry->second);
    }
    Result<Plan> plan = state_->plan_anew(name, options);
    // Not for an import: there the linker itself has the last word, and may know more.
    if (plan && !plan->error && (plan->error = missing_library(*plan))) plan->would_fall_back = false;
    return plan;
}

Result<Plan> LoaderState::plan_anew(std::string_view name, const ImportOptions& import_options) const {
    const Detached outside;  // for the linker's turn
    Plan plan;
    // Packages come first, and may fail or fall back before their part is looked at.
    if (const std::string_view parent = parent_of(name); !parent.empty() && !is_namespace(parent)) {
        ImportOptions package_options = import_options;
        package_options.threading = std::nullopt;
        Result<Plan> package = loader.plan(parent, package_options);
        if (!package) return package;
        plan.would_fall_back = package->would_fall_back;
        plan.warnings = std::move(package->warnings);
        plan.error = std::move(package->error);
    }
    plan.module = name;
    Result<std::filesystem::path> path = locate(name);
    if (!path) return std::move(path).error();
    plan.file = *path;
    const auto stops = [&](Error error) {
        if (!plan.error) plan.error = std::move(error);
    };
    Result<ModuleFile> file = detail::read_module(*path);
    if (!file) {
        stops(file.error());
        return plan;
    }
    plan.build_id = file->build_id;
    plan.entry = entry_of(*file, name);
    std::vector<Warning> of_libraries;
    auto pulled = libraries_of(*file, Whose::planned_program, of_libraries);
    if (!pulled) {
        stops(pulled.error());
        return plan;
    }
    LoaderState::Judged judged = decide(name, *file, import_options.threading, std::move(*pulled));
    plan.decision = judged.decision;
    plan.marker = judged.marker;
    plan.libraries = judged.libraries;
    std::move(of_libraries.begin(), of_libraries.end(), std::back_inserter(judged.warnings));
    plan.warnings.insert(plan.warnings.end(), judged.warnings.begin(), judged.warnings.end());
    const std::vector<std::string> imported_by{import_options.importer.empty() ? "a plan" : import_options.importer};
    std::optional<Error> error = obstacle(name, *file, judged, imported_by);
    const bool locks = needs_lock(plan.decision);
    if (locks) plan.warnings.push_back(fallback_warning(name, *file, judged, imported_by, std::nullopt));
    if (error)
        stops(std::move(*error));
    else if (!plan.error)
        plan.would_fall_back = plan.would_fall_back || (locks && runtime.mode() == Mode::parallel);
    return plan;
}

}  // namespace interlock
