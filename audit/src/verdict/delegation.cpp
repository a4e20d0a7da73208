// delegation.cpp: modules that are made by others take over what those say.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "verdict/binary.hpp"
#include "verdict/delegation_way.hpp"
#include "verdict/python_abi.hpp"
#include "verdict/verdict.hpp"

namespace interlock::auditing::verdict {

namespace {

struct Target {
    const BinaryAudit* binary;
    const ModuleAudit* module;
};

/// The effects of a module by itself. Those that only other modules call have none yet.
EffectOn effect_of(const Target& of, PythonVersion python) {
    for (const EffectOn& on : of.module->effects)
        if (on.python == python) return on;
    const std::string_view path = of.binary->path;
    const FileTag tag = read_file_tag(path.substr(path.find_last_of("/!") + 1));
    const auto effects = effects_of(*of.binary, tag, *of.module, nullptr, false, std::span(&python, 1));
    return effects.empty() ? EffectOn{python, Effect::unknown, of.module->reason} : effects.front();
}

std::string_view effect_in_a_clause(Effect effect) noexcept {
    return effect == Effect::crashes ? "crashes with" : "cannot load";
}

bool is_loaded(Effect effect) noexcept { return effect != Effect::cannot_load && effect != Effect::crashes; }

/// All modules of an audit, as one interpreter finds them. The first that it can load decides, from the same package if
/// there is one.
class Modules : public MakerFinder {
public:
    Modules(const AuditReport& report, std::span<const BinaryAudit> others, PythonVersion python) : python_(python) {
        for (const BinaryAudit& binary : report.binaries) add(binary, true);
        for (const BinaryAudit& binary : others) add(binary, false);
    }

    std::size_t number_of(const ModuleAudit& module) const { return numbers_.at(&module); }
    const Target& target(std::size_t module) const { return known_[module].target; }
    const EffectOn& own_effect(std::size_t module) {
        std::optional<EffectOn>& effect = known_[module].effect;
        if (!effect) effect = effect_of(known_[module].target, python_);
        return *effect;
    }

    std::optional<std::string> maker_of(std::size_t module) override {
        const ModuleAudit& audit = *target(module).module;
        if (audit.verdict != Verdict::delegated || !is_loaded(own_effect(module).effect)) return std::nullopt;
        return audit.delegated_to;
    }

    std::optional<unsigned> says(std::size_t module) override {
        const Effect effect = own_effect(module).effect;
        return effect == Effect::unknown ? std::nullopt : std::optional(static_cast<unsigned>(effect));
    }

    std::vector<Found> find(const std::string& name, std::size_t module) override {
        const BinaryAudit& from = *target(module).binary;
        std::vector<Found> found;
        const auto [first, last] = by_name_.equal_range(name);
        for (auto one = first; one != last; ++one) {
            const Known& known = known_[one->second];
            const BinaryAudit& binary = *known.target.binary;
            if (&binary == &from) continue;
            found.push_back({one->second, known.reported && binary.package == from.package, unfit(one->second, from)});
        }
        return found;
    }

private:
    struct Known {
        Target target;
        bool reported;  ///< in the report, where the number of its package means something
        std::optional<EffectOn> effect{};
    };

    void add(const BinaryAudit& binary, bool reported) {
        for (const ModuleAudit& module : binary.modules) {
            numbers_.emplace(&module, known_.size());
            if (module.verdict != Verdict::not_a_module) by_name_.emplace(module.name, known_.size());
            known_.push_back({{&binary, &module}, reported});
        }
    }

    std::string unfit(std::size_t module, const BinaryAudit& from) {
        const BinaryAudit& binary = *target(module).binary;
        const std::string path = quoted(binary.path, 600);
        if (binary.platform != from.platform || binary.architecture != from.architecture)
            return fmt::format("; {} is for {} {}", path, escape(binary.platform), escape(binary.architecture));
        const Effect effect = own_effect(module).effect;
        if (!is_loaded(effect))
            return fmt::format("; not {}, which {} {}", path, python_.text(), effect_in_a_clause(effect));
        if (target(module).module->verdict == Verdict::not_applicable)
            return fmt::format("; {} is for interpreters with a GIL", path);
        return "";
    }

    PythonVersion python_;
    std::vector<Known> known_;
    std::map<const ModuleAudit*, std::size_t> numbers_;
    std::multimap<std::string, std::size_t, std::less<>> by_name_;
};

/// What one interpreter makes of a module, and who decides it.
struct Answer {
    EffectOn effect;
    const ModuleAudit* end = nullptr;  ///< who decides; null: nobody that is known
    std::vector<std::string> way{};    ///< to it
    Confidence confidence = Confidence::certain;
};

Answer answer_of(Modules& modules, std::size_t module, const DelegationWay& way, PythonVersion python) {
    using End = DelegationWay::End;
    Answer answer{{python, way.says ? static_cast<Effect>(*way.says) : Effect::unknown, ""}};
    std::string& why = answer.effect.why;
    const Target* from = &modules.target(module);
    answer.confidence = from->module->confidence;
    for (const std::size_t next : way.modules) {
        const std::string& name = from->module->delegated_to;
        from = &modules.target(next);
        why += fmt::format("its module is made by {}: ", quoted(name, 200));
        answer.way.push_back(name + " (" + from->binary->path + ")");
        answer.confidence = std::max(answer.confidence, from->module->confidence);
    }
    const std::string maker = quoted(from->module->delegated_to, 200);
    switch (way.end) {
        case End::decided:
            answer.end = from->module;
            why += modules.own_effect(way.modules.empty() ? module : way.modules.back()).why;
            break;
        case End::not_found:
            why += fmt::format("its module is made by {}, and there is none for {} in the audit or on --path{}", maker,
                               python.text(), way.unfit);
            break;
        case End::contradiction:
            why += fmt::format(
                "its module is made by {}, of which there are several that say different things: {} and "
                "{}; audit them apart",
                maker, quoted(modules.target(way.one).binary->path, 600),
                quoted(modules.target(way.other).binary->path, 600));
            break;
        case End::circle:
            why += "who decides is not known: the modules make each other";
            break;
    }
    return answer;
}

/// Taken over at the end, so that the order of modules does not matter.
struct Resolved {
    Verdict verdict = Verdict::not_a_module;
    std::optional<Answer> decisive{};  ///< the worst
    std::vector<EffectOn> effects{};

    void add(Answer answer) {
        effects.push_back(answer.effect);
        if (!is_loaded(answer.effect.effect)) return;
        const Verdict says = answer.end == nullptr ? Verdict::delegated : answer.end->verdict;
        verdict = std::max(verdict, says);
        if (answer.end != nullptr && (!decisive || says > decisive->end->verdict)) decisive = std::move(answer);
    }
};

}  // namespace

void resolve_delegations(AuditReport& report, std::span<const BinaryAudit> others, const AuditOptions& options) {
    const std::span<const PythonVersion> pythons =
        options.pythons.empty() ? default_pythons() : std::span(options.pythons);
    std::map<ModuleAudit*, Resolved> found;
    for (const PythonVersion python : pythons) {
        Modules modules(report, others, python);
        DelegationWays ways(modules);
        for (BinaryAudit& binary : report.binaries)
            for (ModuleAudit& module : binary.modules) {
                if (module.verdict != Verdict::delegated) continue;
                const std::size_t number = modules.number_of(module);
                found[&module].add(answer_of(modules, number, ways.from(number), python));
            }
    }
    for (auto& [module, resolved] : found) {
        if (module->primary) module->effects = std::move(resolved.effects);
        if (!resolved.decisive) continue;
        const Answer& from = *resolved.decisive;
        for (const std::string& step : from.way)
            module->evidence.push_back({"delegates to " + escape(step, 600), module->entry_point});
        // Some interpreters may find a module that decides, and others none: what is not known stays so.
        if (resolved.verdict != from.end->verdict) continue;
        module->verdict = from.end->verdict;
        module->confidence = from.confidence;
        module->marker = from.end->marker;
        module->marker_kind = MarkerKind::delegated;
        module->reason = from.effect.why;
    }
}

}  // namespace interlock::auditing::verdict
