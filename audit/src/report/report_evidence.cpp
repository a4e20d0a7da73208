// report_evidence.cpp: one binary with all that was seen of it: what `interlock inspect` prints.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "base/columns.hpp"
#include "base/printable.hpp"
#include "report/report.hpp"

namespace interlock {

using namespace auditing::report;

namespace {

std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + base::printable(text);
    return out;
}

std::string_view in_words(Effect effect) noexcept {
    switch (effect) {
        case Effect::keeps_gil_off:
            return "keeps the GIL off";
        case Effect::turns_gil_on:
            return "turns the GIL on";
        case Effect::cannot_load:
            return "cannot load it";
        case Effect::crashes:
            return "loads it and crashes";
        case Effect::unknown:
            break;
    }
    return "not known";
}

class Lines {
public:
    Lines(std::string& text, std::size_t indent) : text_(text), indent_(indent) {}
    void add(std::string_view label, std::string_view value) {
        if (!value.empty()) text_ += fmt::format("{:{}}{:<12} {}\n", "", indent_, label, value);
    }
    void add(std::string_view label, const Evidence& evidence) {
        add(label, base::printable(evidence.what) +
                       (evidence.where.empty() ? "" : fmt::format(" ({})", base::printable(evidence.where))));
    }

private:
    std::string& text_;
    std::size_t indent_;
};

std::string marker_text(const ModuleAudit& module) {
    if (!module.marker) return "none";
    const std::string kind = marker_kind_text(module);
    return fmt::format("GIL {}{}", *module.marker ? "not used" : "used", kind.empty() ? "" : " (" + kind + ")");
}

std::string slot_text(const SlotSeen& slot) {
    const std::string value = !slot.known ? "not known" : fmt::format("{:#x}", slot.value);
    return fmt::format("{:{}}{} {} = {}{}", "", slot.depth * 2, slot.id, base::printable(slot.name), value,
                       slot.known && slot.pointer ? " (address)" : "");
}

std::string call_text(const CallSeen& call) {
    return fmt::format("{}({}){}{}", base::printable(call.function), joined(call.arguments),
                       call.result.empty() ? "" : " = " + base::printable(call.result),
                       call.where.empty() ? "" : " at " + base::printable(call.where));
}

void add_module(std::string& text, const BinaryAudit& binary, const ModuleAudit& module, const FindingIndex& findings,
                const AuditOutputOptions& options) {
    const std::string entry =
        module.entry_point.empty() ? "" : fmt::format(" ({})", base::printable(module.entry_point));
    text += fmt::format("  {}{}{}\n",
                        base::styled(options.color, base::Style::bold, "module " + base::printable(module.name)), entry,
                        module.primary ? "" : ", not what an import of this file finds");
    Lines lines(text, 4);
    lines.add("verdict", fmt::format("{}{}", verdict_name(module.verdict),
                                     module.reason.empty() ? "" : ": " + base::printable(module.reason)));
    lines.add("confidence", confidence_name(module));
    if (!module.assumed.empty()) lines.add("assumed", "results of " + joined(module.assumed));
    if (module.verdict != Verdict::not_a_module) lines.add("marker", marker_text(module));
    lines.add("phase", base::printable(module.phase));
    lines.add("delegated to", base::printable(module.delegated_to));
    for (const EffectOn& on : module.effects)
        lines.add(on.python.text(),
                  fmt::format("{}{}", in_words(on.effect), on.why.empty() ? "" : ": " + base::printable(on.why)));
    for (const Evidence& evidence : module.evidence) lines.add("evidence", evidence);
    for (const SlotSeen& slot : module.slots) lines.add("slot", slot_text(slot));
    for (std::size_t i = 0; i < module.calls.size(); ++i) {
        if (module.calls_left_out != 0 && i == module.calls.size() / 2)
            lines.add("call", fmt::format("... {} calls are left out here", module.calls_left_out));
        lines.add("call", call_text(module.calls[i]));
    }
    if (module.instructions != 0) lines.add("instructions", fmt::format("about {}", module.instructions));
    for (const Finding* finding : findings.of(binary, module)) {
        lines.add("rule", fmt::format("{} {} {}: {}", finding->rule->id, finding->rule->name,
                                      level_text(finding->level), base::printable(finding->message)));
        lines.add("", finding->accepted.empty() ? base::printable(finding->fix)
                                                : "accepted: " + base::printable(finding->accepted));
    }
}

}  // namespace

std::string format_evidence(const AuditReport& report, const BinaryAudit& binary, const AuditOutputOptions& options) {
    std::string text = base::styled(options.color, base::Style::bold, base::printable(binary.path)) + '\n';
    Lines lines(text, 2);
    lines.add("format",
              fmt::format("{}, {}, {}{}", base::printable(binary.format), base::printable(binary.architecture),
                          base::printable(binary.platform), binary.slice ? ", slice of a universal file" : ""));
    lines.add("ABI", fmt::format("{}{}", abi_flavour_name(binary.abi),
                                 binary.abi_version
                                     ? fmt::format(" {}.{}", binary.abi_version->major, binary.abi_version->minor)
                                     : ""));
    for (const Evidence& evidence : binary.abi_evidence) lines.add("  because", evidence);
    lines.add("exports", joined(binary.exports));
    lines.add("libraries", joined(binary.libraries));
    lines.add("size", fmt::format("{} bytes, {} of writable global data", binary.size, binary.writable_globals));
    lines.add("stateful", joined(binary.stateful_calls));
    lines.add("borrowed", joined(binary.borrowed_calls));
    lines.add("build-id", base::printable(binary.build_id));
    lines.add("sha256", base::printable(binary.sha256));
    const FindingIndex findings(report);
    for (const ModuleAudit& module : binary.modules) add_module(text, binary, module, findings, options);
    for (const Finding* finding : findings.of(binary.path))
        lines.add("rule", fmt::format("{} {} {}: {}", finding->rule->id, finding->rule->name,
                                      level_text(finding->level), base::printable(finding->message)));
    return text;
}

}  // namespace interlock
