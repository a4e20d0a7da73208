// verdict.cpp: verdicts. The rules are those by which CPython decides: a slot of the definition for multi-phase
// modules, the last PyUnstable_Module_SetGIL before PyInit_ returns for the others.
//
// SPDX-License-Identifier: MIT
#include "verdict/verdict.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "base/hex.hpp"

namespace interlock::auditing::verdict {

namespace {

class VerdictOfRun {
public:
    VerdictOfRun(ModuleAudit& module, const Seen& seen) : module_(module), run_(seen.run) {}

    void decide() {
        module_.assumed.assign(run_.assumed.begin(), run_.assumed.end());
        if (!run_.failure.empty()) {
            if (run_.phase == emulation::Phase::multi) module_.phase = "multi-phase";
            module_.confidence = Confidence::certain;
            return undetermined(run_.failure);
        }
        module_.confidence = !run_.complete || !run_.cut_short.empty() ? Confidence::weak
                             : !module_.assumed.empty()                ? Confidence::probable
                                                                       : Confidence::certain;
        switch (run_.phase) {
            case emulation::Phase::multi:
                module_.phase = "multi-phase";
                return by_slots(run_.definition->slots, "its slot array");
            case emulation::Phase::slot_table:
                module_.phase = "export";
                return by_slots(*run_.slots, "the slot table that it returns");
            case emulation::Phase::single:
                module_.phase = "single-phase";
                return by_calls();
            case emulation::Phase::foreign:
                return foreign();
            case emulation::Phase::unknown:
                return undetermined(run_.failure);
        }
    }

private:
    void saw(std::string what, std::string where) { module_.evidence.push_back({std::move(what), std::move(where)}); }

    void undetermined(std::string why) {
        module_.verdict = Verdict::undetermined;
        module_.reason = why.empty() ? "nothing is known of how it makes its module" : std::move(why);
    }

    void unmarked(std::string reason) {
        module_.verdict = Verdict::unmarked;
        module_.reason = std::move(reason);
    }

    void marked(bool free, MarkerKind kind, std::string reason) {
        module_.marker = free;
        module_.marker_kind = kind;
        module_.verdict = free ? Verdict::free : Verdict::global_lock;
        module_.reason = std::move(reason);
    }

    void by_slots(const emulation::Slots& slots, const char* what) {
        if (!slots.problem.empty()) return undetermined(slots.problem);
        if (slots.gil.size() > 1) {
            module_.marker_kind = MarkerKind::slot_twice;
            saw(fmt::format("{} has {} Py_mod_gil slots", what, slots.gil.size()), module_.entry_point);
            return undetermined("it has more than one Py_mod_gil slot, for which the import fails with SystemError");
        }
        if (slots.gil.empty()) {
            late_call();
            return unmarked(module_.marker_kind == MarkerKind::none
                                ? fmt::format("{} has no Py_mod_gil slot", what)
                                : "it calls PyUnstable_Module_SetGIL from its exec slot, which is too late: the "
                                  "interpreter decides when the module is created");
        }
        const SlotSeen& slot = slots.gil.front();
        saw(fmt::format("{}: slot {} (Py_mod_gil) = {}", what, slot.id, slot.value), module_.entry_point);
        if (!slot.known)
            return undetermined("the value of its Py_mod_gil slot comes from a function that is not known");
        if (slot.value > 1) {
            module_.marker_kind = MarkerKind::slot_value;
            module_.marker_value = slot.value;
            return undetermined(
                fmt::format("its Py_mod_gil slot has the value {}, which is neither 0 nor 1: Python 3.13 "
                            "and 3.14 take it for \"not used\", 3.15 for \"used\"",
                            slot.value));
        }
        marked(slot.value == 1, MarkerKind::slot,
               slot.value == 1 ? "its Py_mod_gil slot says Py_MOD_GIL_NOT_USED"
                               : "its Py_mod_gil slot says Py_MOD_GIL_USED");
    }

    void late_call() {
        if (run_.set_gil_late.empty()) return;
        const auto& call = run_.set_gil_late.back();
        saw(fmt::format("its exec slot calls PyUnstable_Module_SetGIL({})", call.value), call.called_from);
        if (call.value == 1) module_.marker_kind = MarkerKind::set_gil_too_late;
    }

    void by_calls() {
        if (run_.set_gil.empty()) {
            if (run_.not_needed)
                saw("the file imports neither PyUnstable_Module_SetGIL nor PyModuleDef_Init, without which it cannot "
                    "have a marker" +
                        std::string(run_.definition ? "" : "; its init function was not run"),
                    "the imported symbols");
            else
                saw("it creates its module with PyModule_Create and does not call PyUnstable_Module_SetGIL",
                    module_.entry_point);
            return unmarked("it is a single-phase module that does not call PyUnstable_Module_SetGIL");
        }
        const auto& last = run_.set_gil.back();
        for (const auto& call : run_.set_gil)
            saw(fmt::format("it calls PyUnstable_Module_SetGIL(module, {})", call.value), call.called_from);
        if (last.value > 1 && (last.value & 0xffffffff) > 1)
            return undetermined(fmt::format("it calls PyUnstable_Module_SetGIL with {}", base::hex(last.value)));
        marked(last.value != 0, MarkerKind::set_gil,
               last.value != 0 ? "it calls PyUnstable_Module_SetGIL with Py_MOD_GIL_NOT_USED"
                               : "it calls PyUnstable_Module_SetGIL with Py_MOD_GIL_USED");
        if (!run_.cut_short.empty())
            module_.reason += "; its init function could not be followed to its end: " + run_.cut_short;
    }

    void foreign() {
        module_.delegated_to = run_.foreign;
        saw("its module is made by a function of " + quoted(run_.foreign, 200), module_.entry_point);
        if (run_.argument)
            saw(fmt::format("it passes mod_gil_not_used = {}", *run_.argument ? "true" : "false"), module_.entry_point);
        module_.verdict = Verdict::delegated;
        module_.reason = "its module is made by " + quoted(run_.foreign, 200) + ", which decides";
        if (run_.argument && !*run_.argument) {
            module_.reason = "it tells " + quoted(run_.foreign, 200) + " that it uses the GIL";
            module_.verdict = Verdict::global_lock;
            module_.marker = false;
            module_.marker_kind = MarkerKind::argument;
        }
    }

    ModuleAudit& module_;
    const emulation::InitResult& run_;
};

}  // namespace

void give_verdict(ModuleAudit& module, const Seen& seen, AbiFlavour abi, bool details) {
    module.entry_point = seen.entry_point;
    if (!seen.other_python.empty()) {
        module.verdict = Verdict::not_applicable;
        module.reason = "it is compiled for " + seen.other_python + ", where a marker has no effect";
        return;
    }
    VerdictOfRun(module, seen).decide();
    if (!seen.emulated) {
        module.evidence.push_back({"no emulator: this is what the data of the file say", module.entry_point});
        if (module.confidence == Confidence::certain) module.confidence = Confidence::probable;
    }
    // An interpreter with a GIL does not look at it; what was seen stays in marker and evidence.
    const bool with_gil = abi == AbiFlavour::gil || abi == AbiFlavour::abi3;
    if (with_gil) module.confidence = Confidence::certain;
    if (with_gil && module.verdict != Verdict::undetermined) {
        module.verdict = Verdict::not_applicable;
        module.reason =
            std::string("it is compiled for interpreters with a GIL, where a marker has no effect") +
            (module.marker ? *module.marker ? "; it is marked as not using it" : "; it is marked as using it" : "");
    } else if (with_gil) {
        module.verdict = Verdict::not_applicable;
        module.evidence.push_back({"whether it has a marker is not known: " + module.reason, module.entry_point});
        module.reason = "it is compiled for interpreters with a GIL, where a marker has no effect";
    }
    if (details) {
        if (seen.run.slots)
            module.slots = seen.run.slots->all;
        else if (seen.run.definition)
            module.slots = seen.run.definition->slots.all;
        module.calls = seen.run.calls;
        module.calls_left_out = seen.run.calls_left_out;
        module.instructions = seen.run.instructions;
    }
}

namespace {

constexpr PythonVersion first_with_abi3t{3, 15};

/// What an interpreter makes of the file, before its marker counts.
struct Reception {
    std::optional<Effect> effect{};  ///< none: it loads the file, and the marker says the rest
    std::string why{};
};

Reception cannot_load(std::string why) { return {Effect::cannot_load, std::move(why)}; }

// What comes of a definition with the layout of interpreters with a GIL in a free-threaded one. Where pointers have 64
// bits its name lies where 3.13 and 3.14 look for the module's number: as it is not 0, PyModuleDef_Init() takes the
// definition for one that has its type already. It has none. PyModule_Create() goes on and takes the size for the name.
// A module that another one makes has no definition: its import may well succeed.
Reception what_a_foreign_layout_does(const ModuleAudit& module, bool wide, PythonVersion python,
                                     const std::string& who) {
    if (module.phase.empty())
        return {Effect::unknown,
                who + " loads it, and what it does there is not known: its objects have another layout"};
    if (python >= first_with_abi3t)
        return cannot_load(who + (module.phase == "export" ? " refuses it"
                                                           : " loads it, and refuses its definition: SystemError: "
                                                             "invalid PyModuleDef"));
    if (!wide)
        return cannot_load(who + " loads it, and its import fails or crashes, as its objects have another layout");
    if (module.phase == "single-phase")
        return {Effect::crashes, who + " loads it, and crashes, as its objects have another layout"};
    const std::string name = escape(module.name.substr(module.name.rfind('.') + 1), 200);
    return cannot_load(who +
                       " loads it, and its import fails, if it does not crash before: SystemError: init function of " +
                       name + " returned uninitialized object");
}

// Whether the interpreter finds and takes the file: by the suffixes that it looks for, and by its own checks.
Reception reception_in(const BinaryAudit& binary, const FileTag& tag, const ModuleAudit& module, bool only_newer,
                       PythonVersion python) {
    const std::string name = python.text();
    if (!tag.other_python.empty()) return cannot_load("it is compiled for " + tag.other_python);
    if (is_named_for_another_machine(tag, binary))
        return cannot_load("it is for " + escape(binary.platform) + ' ' + escape(binary.architecture) +
                           ", where no interpreter looks for a file with such a name");
    if (only_newer && python < first_with_abi3t) return cannot_load("it has no PyInit function, only PyModExport");
    switch (binary.abi) {
        case AbiFlavour::free_threaded:
            if (binary.abi_version && *binary.abi_version != python)
                return cannot_load("the file is for " + binary.abi_version->text());
            return {};
        case AbiFlavour::abi3t:
            if (python < first_with_abi3t) return cannot_load(name + " does not know the abi3t ABI");
            return {};
        case AbiFlavour::gil:
        case AbiFlavour::abi3:
            break;
        default:
            return {};
    }
    const bool stable = binary.abi == AbiFlavour::abi3;
    const std::string made_for = stable ? "the stable ABI of interpreters with a GIL" : "interpreters with a GIL";
    if (binary.platform == "windows")
        return cannot_load("it is linked against the library of an interpreter with a GIL");
    if (!finds_file_for_gil(binary, tag, python))
        return cannot_load("it is compiled for " + made_for + ", and " + name + " does not look for such a file");
    const bool wide = binary.architecture != "i386" && binary.architecture != "arm";
    return what_a_foreign_layout_does(module, wide, python, "it is compiled for " + made_for + ": " + name);
}

}  // namespace

bool finds_file_for_gil(const BinaryAudit& binary, const FileTag& tag, PythonVersion python) noexcept {
    if (binary.abi != AbiFlavour::gil && binary.abi != AbiFlavour::abi3) return false;
    // Windows: the library that it is linked against is not there.
    if (binary.platform == "windows" || is_named_for_another_machine(tag, binary)) return false;
    return (tag.tag.empty() && tag.extension) || (tag.tag == "abi3" && python < first_with_abi3t) ||
           (tag.abi == AbiFlavour::abi3t && python >= first_with_abi3t) ||
           (tag.abi == AbiFlavour::free_threaded && tag.version == python);
}

std::vector<EffectOn> effects_of(const BinaryAudit& binary, const FileTag& tag, const ModuleAudit& module,
                                 const ModuleAudit* newer, bool only_newer, std::span<const PythonVersion> pythons) {
    std::vector<EffectOn> effects;
    if (binary.abi == AbiFlavour::interlock || module.verdict == Verdict::not_a_module) return effects;
    for (const PythonVersion python : pythons) {
        EffectOn effect{python, Effect::unknown, ""};
        const ModuleAudit& seen = newer != nullptr && python >= PythonVersion{3, 15} ? *newer : module;
        const Reception reception = reception_in(binary, tag, seen, only_newer, python);
        if (reception.effect) {
            effects.push_back({python, *reception.effect, reception.why});
            continue;
        }
        effect.why = seen.reason;
        switch (seen.verdict) {
            case Verdict::free:
                effect.effect = Effect::keeps_gil_off;
                break;
            case Verdict::unmarked:
                effect.effect = Effect::turns_gil_on;
                break;
            case Verdict::global_lock:
                effect.effect = Effect::turns_gil_on;
                break;
            default:
                if (seen.marker_kind == MarkerKind::slot_twice) effect.effect = Effect::cannot_load;
                if (seen.marker_kind == MarkerKind::slot_value)
                    effect.effect = python < PythonVersion{3, 15} ? Effect::keeps_gil_off : Effect::turns_gil_on;
                break;
        }
        effects.push_back(std::move(effect));
    }
    return effects;
}

}  // namespace interlock::auditing::verdict
