// report_json.cpp: the JSON report, schema/audit-report.schema.json. Every member is always there, in the same order,
// so that reports can be compared as text; what is not known is null or "". No times unless asked for.
//
// SPDX-License-Identifier: MIT
#include <interlock/version.hpp>

#include "base/hex.hpp"
#include "report/report.hpp"

namespace interlock::auditing::report {

namespace {

Json to_json(const std::vector<EffectOn>& effects) {
    Json list = Json::array();
    for (const EffectOn& on : effects)
        list.push_back(Json{{"python", on.python.text()}, {"effect", effect_name(on.effect)}, {"why", on.why}});
    return list;
}

Json to_json(const std::vector<Evidence>& evidence) {
    Json list = Json::array();
    for (const Evidence& item : evidence) list.push_back(Json{{"what", item.what}, {"where", item.where}});
    return list;
}

template <typename Item>
Json list_of(const std::vector<Item>& items) {
    Json list = Json::array();
    for (const Item& item : items) list.push_back(item);
    return list;
}

Json counts(const std::array<std::size_t, verdict_count>& modules) {
    Json json = Json::object();
    for (std::size_t i = 0; i < verdict_count; ++i)
        json[std::string(verdict_name(static_cast<Verdict>(i)))] = modules[i];
    return json;
}

}  // namespace

Json to_json(const PackageAudit& package) {
    return Json{{"name", package.name},
                {"version", package.version},
                {"path", package.path},
                {"kind", package.kind},
                {"wheel_tags", list_of(package.wheel_tags)},
                {"worst", verdict_name(package.worst)},
                {"mixed", package.mixed},
                {"modules", counts(package.modules)},
                {"effects", to_json(package.effects)},
                {"notes", list_of(package.notes)}};
}

Json to_json(const ModuleAudit& module) {
    Json json{{"name", module.name},
              {"entry_point", module.entry_point},
              {"primary", module.primary},
              {"verdict", verdict_name(module.verdict)},
              {"confidence", module.verdict == Verdict::undetermined ? Json(nullptr) : Json(confidence_name(module))},
              {"reason", module.reason},
              {"delegated_to", module.delegated_to}};
    json["marker"] = module.marker ? Json(*module.marker ? "gil_not_used" : "gil_used") : Json(nullptr);
    json["marker_kind"] = marker_kind_text(module);
    json["phase"] = module.phase;
    json["effects"] = to_json(module.effects);
    json["evidence"] = to_json(module.evidence);
    json["assumed"] = list_of(module.assumed);
    // Only made on request, so only then there.
    if (!module.slots.empty() || !module.calls.empty() || module.instructions != 0) {
        Json slots = Json::array();
        for (const SlotSeen& slot : module.slots)  // values are texts, as JavaScript's numbers lose digits above 2^53
            slots.push_back(Json{{"id", slot.id},
                                 {"name", slot.name},
                                 {"value", base::hex(slot.value)},
                                 {"depth", slot.depth},
                                 {"pointer", slot.pointer},
                                 {"known", slot.known}});
        Json calls = Json::array();
        for (const CallSeen& call : module.calls)
            calls.push_back(Json{{"function", call.function},
                                 {"arguments", list_of(call.arguments)},
                                 {"result", call.result},
                                 {"where", call.where}});
        json["slots"] = std::move(slots);
        json["calls"] = std::move(calls);
        json["calls_left_out"] = module.calls_left_out;
        json["instructions"] = module.instructions;
    }
    return json;
}

Json to_json(const BinaryAudit& binary) {
    Json modules = Json::array();
    for (const ModuleAudit& module : binary.modules) modules.push_back(to_json(module));
    Json json{{"path", binary.path},
              {"package", binary.package},
              {"format", binary.format},
              {"architecture", binary.architecture},
              {"platform", binary.platform},
              {"slice", binary.slice},
              {"abi", abi_flavour_name(binary.abi)}};
    json["abi_version"] =
        binary.abi_version
            ? Json(std::to_string(binary.abi_version->major) + '.' + std::to_string(binary.abi_version->minor))
            : Json(nullptr);
    json["abi_evidence"] = to_json(binary.abi_evidence);
    json["build_id"] = binary.build_id;
    json["sha256"] = binary.sha256;
    json["size"] = binary.size;
    json["exports"] = list_of(binary.exports);
    json["libraries"] = list_of(binary.libraries);
    json["writable_globals"] = binary.writable_globals;
    json["stateful_calls"] = list_of(binary.stateful_calls);
    json["borrowed_calls"] = list_of(binary.borrowed_calls);
    json["modules"] = std::move(modules);
    return json;
}

Json to_json(const Finding& finding) {
    Json json{{"rule", finding.rule->id},   {"name", finding.rule->name}, {"level", level_text(finding.level)},
              {"path", finding.path},       {"module", finding.module},   {"architecture", finding.architecture},
              {"message", finding.message}, {"fix", finding.fix},         {"fingerprint", finding.fingerprint}};
    json["accepted"] = finding.accepted.empty() ? Json(nullptr) : Json(finding.accepted);
    json["symbols"] = list_of(finding.symbols);
    return json;
}

Json to_json(const InputError& error) {
    return Json{{"path", error.path}, {"code", errc_name(error.code)}, {"message", error.message}};
}

Json summary_json(const AuditReport& report) {
    const Tally count = tally(report);
    return Json{
        {"files", report.statistics.files},
        {"binaries", report.statistics.binaries},
        {"bytes", report.statistics.bytes},
        {"modules", counts(count.modules)},
        {"findings",
         {{"error", count.errors}, {"warning", count.warnings}, {"note", count.notes}, {"accepted", count.accepted}}},
        {"errors", report.errors.size()},
        {"skipped", report.skipped.size()}};
}

std::string to_text(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string json_report(const AuditReport& report, const AuditOutputOptions&) {
    Json json{
        {"$schema", "urn:interlock:schema:audit-report:1"}, {"schema_version", 1}, {"interlock", INTERLOCK_VERSION}};
    Json pythons = Json::array();
    for (const PythonVersion& python : report.pythons) pythons.push_back(python.text());
    json["pythons"] = std::move(pythons);
    json["summary"] = summary_json(report);
    const auto list = [&](const char* name, const auto& items) {
        json[name] = Json::array();
        for (const auto& item : items) json[name].push_back(to_json(item));
    };
    list("packages", report.packages);
    list("binaries", report.binaries);
    list("findings", report.findings);
    list("errors", report.errors);
    json["skipped"] = list_of(report.skipped);
    return to_text(json, 2) + '\n';
}

}  // namespace interlock::auditing::report
