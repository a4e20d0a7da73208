// Figures of modules, and the loader's report as JSON (LoaderReport in loader.hpp).
//
// SPDX-License-Identifier: MIT
#include <ctime>

#include <nlohmann/json.hpp>

#include "loader_state.hpp"

namespace interlock {

namespace {

using Json = nlohmann::ordered_json;

std::string iso_time(std::chrono::system_clock::time_point at) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() % 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[40];
    const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(ms));
    return text;
}

const char* gil_name(GilSetting gil) noexcept {
    switch (gil) {
        case GilSetting::automatic:
            return "automatic";
        case GilSetting::off:
            return "0";
        case GilSetting::on:
            return "1";
    }
    return "automatic";
}

Json decision_json(const Decision& decision) {
    Json json{{"action", action_name(decision.action)}, {"source", source_name(decision.source)}};
    Json why = Json::array();
    for (const Reason& reason : decision.why)
        why.push_back({{"source", source_name(reason.source)},
                       {"says", reason.says ? Json(action_name(*reason.says)) : Json(nullptr)},
                       {"decided", reason.decided},
                       {"text", reason.text}});
    json["why"] = std::move(why);
    return json;
}

Json libraries_json(const std::vector<PulledLibrary>& libraries) {
    Json list = Json::array();
    for (const PulledLibrary& library : libraries) list.push_back(Json::parse(library.to_json()));
    return list;
}

Json runtime_json(const RuntimeStats& stats) {
    return {{"mode", mode_name(stats.mode)},
            {"threads", stats.threads},
            {"switches_to_locked", stats.switches_to_locked},
            {"switches_to_parallel", stats.switches_to_parallel},
            {"failed_switches", stats.failed_switches},
            {"stalls_reported", stats.stalls_reported},
            {"last_switch_ns", stats.last_switch.count()},
            {"longest_switch_ns", stats.longest_switch.count()},
            {"holds", stats.holds},
            {"registered_threads", stats.registered_threads},
            {"attached_threads", stats.attached_threads},
            {"exited_attached", stats.exited_attached},
            {"membarrier", stats.membarrier}};
}

Json module_json(const ModuleStats& module) {
    return {{"module", module.module},
            {"file", module.file.string()},
            {"version", module.version},
            {"build_id", module.build_id.empty() ? Json(nullptr) : Json(module.build_id)},
            {"loads", module.loads},
            {"loaded", module.loaded},
            {"mapped", module.mapped},
            {"decision", decision_json(module.decision)},
            {"libraries", libraries_json(module.libraries)},
            {"imported_by", module.imported_by},
            {"imported_at", iso_time(module.imported_at)},
            {"import_ns", module.import_duration.count()},
            {"calls",
             {{"none", module.calls_none},
              {"module_lock", module.calls_module_lock},
              {"global_lock", module.calls_global_lock}}},
            {"ns_inside", module.ns_inside},
            {"ns_waiting", module.ns_waiting}};
}

Json fallback_json(const FallbackEvent& event) {
    return {{"module", event.module},
            {"imported_by", event.imported_by},
            {"at", iso_time(event.at)},
            {"switched", event.switched},
            {"switch_ns", event.switch_duration.count()},
            {"ended", event.ended ? Json(iso_time(*event.ended)) : Json(nullptr)},
            {"outcome", event.outcome}};
}

}  // namespace

std::string LoaderReport::to_json() const {
    Json json{{"schema_version", 1}, {"gil", gil_name(gil)}, {"runtime", runtime_json(runtime)}};
    Json& module_list = json["modules"] = Json::array();
    for (const ModuleStats& module : modules) module_list.push_back(module_json(module));
    Json& fallback_list = json["fallbacks"] = Json::array();
    for (const FallbackEvent& event : fallbacks) fallback_list.push_back(fallback_json(event));
    json["warnings"] = {{"issued", warnings_issued}, {"suppressed", warnings_suppressed}};
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

namespace detail {

ModuleStats LoaderState::stats_of(const ModuleRecord& record) const {
    const TallySum sum = sum_tallies(record.index);
    const TallySum& base = record.tally_base;
    const auto calls = [&](GateKind kind) {
        const auto k = static_cast<std::size_t>(kind);
        return sum.calls[k] - base.calls[k];
    };
    ModuleStats stats;
    stats.module = record.name;
    stats.file = record.file.path;
    stats.version = record.version;
    stats.build_id = record.file.build_id;
    stats.decision = record.decision;
    stats.libraries = record.libraries;
    stats.loads = record.loads;
    stats.loaded = record.loaded;
    stats.mapped = record.mapped;
    stats.imported_by = record.imported_by;
    stats.imported_at = record.imported_at;
    stats.import_duration = record.import_duration;
    stats.calls_none = calls(GateKind::none);
    stats.calls_module_lock = calls(GateKind::module_lock);
    stats.calls_global_lock = calls(GateKind::global_lock);
    stats.ns_inside = sum.ns_inside - base.ns_inside;
    stats.ns_waiting = sum.ns_waiting - base.ns_waiting;
    return stats;
}

}  // namespace detail
}  // namespace interlock
