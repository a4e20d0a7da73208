// findings_module.cpp: the rules about one module: what its marker says, and what it uses although it is marked free.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include <interlock/escape.hpp>

#include "rules/findings.hpp"
#include "verdict/symbol_lists.hpp"

namespace interlock::auditing::rules {

namespace {

/// Below this, writable data is what any module has: its definition, its method table, a few counters.
constexpr std::uint64_t large_globals = 64 * 1024;  // bytes

bool has_effect(const ModuleAudit& module, Effect effect) noexcept {
    return std::any_of(module.effects.begin(), module.effects.end(),
                       [&](const EffectOn& on) { return on.effect == effect; });
}

/// The one rule about the marker that says most about the module; a file that cannot be imported at all, or whose
/// marker is wrong in itself, is not "unmarked" on top of it.
std::optional<RuleId> rule_about_marker(const ModuleAudit& module) noexcept {
    if (module.marker_kind == MarkerKind::slot_twice) return RuleId::marker_twice;
    if (module.verdict == Verdict::not_applicable || module.verdict == Verdict::not_a_module) return std::nullopt;
    if (module.marker_kind == MarkerKind::slot_value) return RuleId::marker_value;
    if (module.marker_kind == MarkerKind::set_gil_too_late && module.verdict != Verdict::free)
        return RuleId::marker_too_late;
    switch (module.verdict) {
        case Verdict::free:
            // Interpreters before 3.15 run another entry point, which says something else.
            if (has_effect(module, Effect::turns_gil_on)) return RuleId::unmarked;
            break;
        case Verdict::unmarked:
            return RuleId::unmarked;
        case Verdict::global_lock:
            return RuleId::gil_used;
        case Verdict::undetermined:
            return RuleId::undetermined;
        case Verdict::delegated:
            return RuleId::delegation_target_missing;
        case Verdict::not_applicable:
        case Verdict::not_a_module:
            break;
    }
    return std::nullopt;
}

/// Whether one of the interpreters that are judged for does anything with it. Those that are not asked by name, such
/// as modules of interlock, have no effects.
bool matters(const ModuleAudit& module) noexcept {
    return module.effects.empty() || has_effect(module, Effect::turns_gil_on) ||
           has_effect(module, Effect::keeps_gil_off) || has_effect(module, Effect::unknown);
}

std::string consequence(const BinaryAudit& binary, const ModuleAudit& module, bool stray) {
    if (stray) return "no interpreter that gets the wheel looks for the file";
    if (!module.primary) return "an import of this file does not run " + escape(module.entry_point, 200);
    if (binary.abi == AbiFlavour::interlock) return "an import makes the runtime fall back to locked mode";
    if (!matters(module)) return "none of the interpreters that were asked for loads it";
    const std::string pythons = pythons_with(module, Effect::turns_gil_on);
    return pythons.empty() ? "an import turns the GIL on" : "an import turns the GIL on in " + pythons;
}

/// ": why" of the first interpreter on which it has this effect.
std::string why_with(const ModuleAudit& module, Effect effect) {
    const auto found = std::find_if(module.effects.begin(), module.effects.end(),
                                    [&](const EffectOn& on) { return on.effect == effect; });
    return found == module.effects.end() || found->why.empty() ? std::string() : ": " + found->why;
}

std::string message_for(RuleId id, const BinaryAudit& binary, const ModuleAudit& module, bool stray) {
    const std::string name = named(binary, module);
    const std::string unknown_in = pythons_with(module, Effect::unknown);
    std::string because = why_with(module, Effect::unknown);
    if (because.empty() && !module.reason.empty()) because = ": " + module.reason;
    switch (id) {
        case RuleId::unmarked:
            return module.verdict == Verdict::free
                       ? fmt::format("{} is not marked free for all interpreters; {}{}", name,
                                     consequence(binary, module, stray), why_with(module, Effect::turns_gil_on))
                       : fmt::format("{} carries no marker; {}", name, consequence(binary, module, stray));
        case RuleId::gil_used:
            return fmt::format("{} says that it uses {}; {}", name,
                               binary.abi == AbiFlavour::interlock ? "the global lock" : "the GIL",
                               consequence(binary, module, stray));
        case RuleId::marker_too_late:
            return fmt::format("{} declares itself safe in its exec function, after the decision; {}", name,
                               consequence(binary, module, stray));
        case RuleId::marker_twice:
            return fmt::format("{} has two Py_mod_gil slots; an import fails with a SystemError", name);
        case RuleId::marker_value:
            return fmt::format("{} has a Py_mod_gil slot with the value {}, which is neither used (0) nor not used (1)",
                               name, module.marker_value);
        case RuleId::delegation_target_missing:
            return fmt::format("{} leaves the decision to {}; what an import does in {} is not known{}", name,
                               module.delegated_to.empty() ? "another module" : quoted(module.delegated_to),
                               unknown_in.empty() ? "a free-threaded interpreter" : unknown_in, because);
        default:
            return fmt::format("{} could not be judged{}", name, because);
    }
}

bool is_dotted_name(std::string_view name) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    };
    return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

/// A line that can be pasted, for names that need no thought about patterns.
std::string policy_to_paste(const std::string& module, PolicyAction action, std::string_view reason) {
    if (!is_dotted_name(module)) return {};
    PolicyRule rule;
    rule.module = module;
    rule.threading = action;
    rule.reason = reason;
    return to_json_text(rule);
}

std::string fix_for(RuleId id, const ModuleAudit& module) {
    const std::string how = fmt::format("`interlock explain {}` shows how for each framework", rule(id).id);
    const std::string accept = policy_to_paste(module.name, PolicyAction::free, "why it is safe");
    const std::string or_accept = accept.empty() ? "" : "; or accept it with a policy rule: " + accept;
    switch (id) {
        case RuleId::unmarked:
            return "make the module safe and mark it: " + how + or_accept;
        case RuleId::gil_used:
            return "change the value of the marker: " + how + or_accept;
        case RuleId::marker_too_late:
            return "move the marker into the slots: " + how;
        case RuleId::marker_twice:
            return "remove one of the two slots";
        case RuleId::marker_value:
            return "use Py_MOD_GIL_NOT_USED or Py_MOD_GIL_USED";
        case RuleId::delegation_target_missing:
            return "name the folder that contains the other one with --path, or audit the environment in which both "
                   "are";
        default:
            return "`interlock inspect` shows how far the audit came; import the module with a free-threaded "
                   "interpreter "
                   "to know" +
                   or_accept;
    }
}

void find_about_marker(const BinaryAudit& binary, const ModuleAudit& module, bool stray, FindingCollector& findings) {
    const auto add = [&](RuleId id) {
        Finding& finding = findings.add(id, binary, module, message_for(id, binary, module, stray));
        finding.fix = fix_for(id, module);
        // An import of the file does not run this init function, or there is none.
        if (!module.primary || stray || (id != RuleId::marker_twice && !matters(module))) finding.level = Level::note;
    };
    const auto id = rule_about_marker(module);
    if (id) add(*id);
    // What is known of one interpreter must not hide what is not known of another.
    const bool says_so = id == RuleId::undetermined || id == RuleId::delegation_target_missing ||
                         id == RuleId::marker_twice || id == RuleId::marker_value;
    // Of a file that is for interpreters with a GIL IL019 says it.
    const bool for_gil = binary.abi == AbiFlavour::gil || binary.abi == AbiFlavour::abi3;
    if (has_effect(module, Effect::unknown) && !says_so && !for_gil)
        add(module.delegated_to.empty() ? RuleId::undetermined : RuleId::delegation_target_missing);
    if (module.marker_kind == MarkerKind::manifest_mismatch) {
        Finding& finding =
            findings.add(RuleId::manifest_mismatch, binary, module,
                         fmt::format("the manifest of {} is for another binary and is ignored", named(binary, module)));
        finding.fix = "look at the new binary, then `interlock manifest create --force`; or remove the manifest";
    }
}

void find_symbols(RuleId id, const BinaryAudit& binary, const ModuleAudit& module, std::vector<std::string> symbols,
                  std::string_view what, FindingCollector& findings) {
    if (symbols.empty()) return;
    std::sort(symbols.begin(), symbols.end());
    symbols.erase(std::unique(symbols.begin(), symbols.end()), symbols.end());
    std::string list;
    for (const std::string& symbol : symbols) {
        list += (list.empty() ? "" : ", ") + escape(symbol, 80);
        if (const std::string_view instead = verdict::replacement_for(symbol); !instead.empty())
            list += fmt::format(" (instead: {})", instead);
    }
    Finding& finding = findings.add(
        id, binary, module, fmt::format("{} is marked free and calls {}: {}", named(binary, module), what, list));
    finding.fix = "look at each use; `interlock explain " + std::string(rule(id).id) + "` says what is safe instead";
    finding.symbols = std::move(symbols);
}

/// Without what is safe on the binary's platform, and without getenv() where nothing changes the environment.
std::vector<std::string> stateful_here(const BinaryAudit& binary) {
    constexpr std::string_view setters[] = {"setenv",  "unsetenv",  "putenv",   "clearenv",
                                            "_putenv", "_putenv_s", "_wputenv", "_wputenv_s"};
    const auto plain = [](std::string_view symbol) { return symbol.substr(0, symbol.find_first_of("@$")); };
    const bool sets = std::any_of(binary.stateful_calls.begin(), binary.stateful_calls.end(), [&](const auto& symbol) {
        return std::find(std::begin(setters), std::end(setters), plain(symbol)) != std::end(setters);
    });
    std::vector<std::string> symbols;
    for (const std::string& symbol : binary.stateful_calls) {
        const bool reads = plain(symbol) == "getenv" || plain(symbol) == "secure_getenv";
        if ((reads && !sets) || verdict::is_stateless_on(symbol, binary.platform)) continue;
        symbols.push_back(symbol);
    }
    return symbols;
}

}  // namespace

void find_in_modules(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings) {
    for (const BinaryAudit& binary : report.binaries) {
        const bool stray = strays.contains(&binary);
        for (const ModuleAudit& module : binary.modules) find_about_marker(binary, module, stray, findings);
        // These are about the file: they are said once.
        const ModuleAudit* module = primary_module(binary);
        if (module == nullptr || module->verdict != Verdict::free) continue;
        if (binary.writable_globals >= large_globals) {
            Finding& finding = findings.add(RuleId::writable_globals, binary, *module,
                                            fmt::format("{} is marked free and has {} KiB of writable global data",
                                                        named(binary, *module), binary.writable_globals / 1024));
            finding.fix = "see which of it is written after the import, and protect that";
        }
        find_symbols(RuleId::hidden_state, binary, *module, stateful_here(binary), "C functions that keep hidden state",
                     findings);
        find_symbols(RuleId::borrowed_references, binary, *module, binary.borrowed_calls,
                     "functions that return borrowed references", findings);
    }
}

}  // namespace interlock::auditing::rules
