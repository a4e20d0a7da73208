// What an import would do (Plan in loader.hpp): steps 1 to 4 of the import, with nothing mapped and nothing switched.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/escape.hpp>

#include "loader_state.hpp"

namespace interlock {

namespace {

using detail::LoaderState;

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

EntryKind entry_of(const ModuleFile& file, std::string_view name) {
    const std::string_view last = detail::last_component(name);
    if (contains(file.exports, last)) return EntryKind::export_;
    if (contains(file.legacy_inits, last)) return EntryKind::legacy_init;
    return EntryKind::none;
}

std::optional<Error> obstacle(const LoaderState& state, const Plan& plan, const ModuleFile& file) {
    const auto failed = [&](Errc code, std::string why) {
        return Error{code, "module " + quoted(plan.module) + " from " + quoted(plan.file.string(), 1000) + ": " + why};
    };
    if (!file.native) return failed(Errc::load_failed, "it is a library for another machine");
    if (const Marker* marker = file.marker_for(plan.module); marker != nullptr && marker->abi != IL_ABI_VERSION)
        return failed(Errc::wrong_abi, "its marker says ABI " + std::to_string(marker->abi) +
                                           ", this interlock has ABI " + std::to_string(IL_ABI_VERSION));
    if (plan.entry == EntryKind::none)
        return failed(Errc::missing_symbol, "it exports neither il_module_export_" +
                                                std::string(detail::last_component(plan.module)) +
                                                " nor il_module_init_" +
                                                std::string(detail::last_component(plan.module)));
    if (plan.decision.refused()) return failed(Errc::refused, "refused");
    for (const Warning& warning : plan.warnings)
        if (state.action_for(warning) == WarningAction::error)
            return Error{Errc::warning_as_error, "a warning filter turns this warning into an error: " +
                                                     warning.headline};
    return std::nullopt;
}

}  // namespace

Result<Plan> Loader::plan(std::string_view name, const ImportOptions& options) const {
    if (Outcome valid = detail::check_name(name); !valid) return std::move(valid).error();
    Plan plan;
    plan.module = name;
    {
        std::lock_guard guard(state_->mutex);
        plan.already_loaded = state_->loaded.contains(name);
    }
    Result<std::filesystem::path> path = state_->locate(name);
    if (!path) return std::move(path).error();
    plan.file = *path;
    Result<ModuleFile> file = read_module_file(*path, ReadDepth::entry_points);
    if (!file) {
        plan.error = file.error();
        return plan;
    }
    plan.build_id = file->build_id;
    plan.entry = entry_of(*file, name);
    Result<LoaderState::Judged> judged = state_->decide(name, *file, options.threading);
    if (!judged) {
        plan.error = judged.error();
        return plan;
    }
    plan.decision = std::move(judged->decision);
    plan.marker = judged->marker;
    plan.warnings = std::move(judged->warnings);
    const bool locks = state_->needs_lock(plan.decision);
    plan.would_fall_back = locks && runtime_.mode() == Mode::parallel && !plan.already_loaded;
    if (locks && !plan.already_loaded)
        plan.warnings.push_back(state_->fallback_warning(
            name, *file, plan.decision, {options.importer.empty() ? "a plan" : options.importer}, std::nullopt));
    plan.error = obstacle(*state_, plan, *file);
    if (plan.error) plan.would_fall_back = false;
    return plan;
}

}  // namespace interlock
