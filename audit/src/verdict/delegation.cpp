// delegation.cpp: modules that are made by others take over what those say.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "verdict/binary.hpp"
#include "verdict/python_abi.hpp"
#include "verdict/verdict.hpp"

namespace interlock::auditing::verdict {

namespace {

/// Two is what is seen in the wild; each link is a call of its own.
constexpr unsigned longest_chain = 64;

struct Target {
    const BinaryAudit* binary;
    const ModuleAudit* module;
};

/// What one interpreter makes of a module, and who decides it.
struct Answer {
    Verdict verdict = Verdict::delegated;  ///< `delegated`: there is none who decides
    Effect effect = Effect::unknown;
    std::string why = "who decides is not known: the modules make each other";
    const ModuleAudit* end = nullptr;  ///< who decides
    std::vector<std::string> way;      ///< to it
    Confidence confidence = Confidence::certain;
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

class Resolver {
public:
    Resolver(const AuditReport& report, std::span<const BinaryAudit> others) {
        for (const BinaryAudit& binary : report.binaries) add(binary, true);
        for (const BinaryAudit& binary : others) add(binary, false);
    }

    /// What `python` makes of it: the first that it can load decides, from the same package if there is one.
    const Answer& ask(const Target& from, PythonVersion python, unsigned depth = 0) {
        const auto [place, fresh] = answers_.try_emplace({from.module, python});
        Answer& answer = place->second;  // while it is sought, "nobody": who comes back to it is in a circle
        if (fresh && depth < longest_chain) answer = find(from, python, depth);
        return answer;
    }

private:
    struct Known {
        Target target;
        bool reported;  ///< in the report, where the number of its package means something
    };

    void add(const BinaryAudit& binary, bool reported) {
        for (const ModuleAudit& module : binary.modules)
            if (module.verdict != Verdict::not_a_module)
                known_.emplace(module.name, Known{Target{&binary, &module}, reported});
    }

    Answer find(const Target& from, PythonVersion python, unsigned depth) {
        EffectOn own = effect_of(from, python);
        Answer answer{from.module->verdict, own.effect, own.why, from.module, {}, from.module->confidence};
        if (from.module->verdict != Verdict::delegated || !is_loaded(answer.effect)) return answer;
        const std::string& name = from.module->delegated_to;
        const Answer* best = nullptr;
        const Target* target = nullptr;
        const Target* contradicts = nullptr;  // another that is as good, with another effect
        unsigned best_rank = 0;
        std::string unfit;
        const auto [first, last] = known_.equal_range(name);
        for (auto known = first; known != last; ++known) {
            const auto& [to, reported] = known->second;
            if (to.binary == from.binary) continue;
            const bool same_machine =
                to.binary->platform == from.binary->platform && to.binary->architecture == from.binary->architecture;
            const Answer* next = same_machine ? &ask(to, python, depth + 1) : nullptr;
            const bool for_gil = next != nullptr && next->verdict == Verdict::not_applicable;
            if (next == nullptr || for_gil || !is_loaded(next->effect)) {
                if (unfit.empty() && for_gil && is_loaded(next->effect))
                    unfit = fmt::format("; {} is for interpreters with a GIL", quoted(to.binary->path, 600));
                else if (unfit.empty())
                    unfit = next == nullptr ? fmt::format("; {} is for {} {}", quoted(to.binary->path, 600),
                                                          escape(to.binary->platform), escape(to.binary->architecture))
                                            : fmt::format("; not {}, which {} {}", quoted(to.binary->path, 600),
                                                          python.text(), effect_in_a_clause(next->effect));
                continue;
            }
            const bool same_package = reported && to.binary->package == from.binary->package;
            const unsigned rank = 1u + (next->end != nullptr ? 2u : 0u) + (same_package ? 1u : 0u);
            if (rank == best_rank && contradicts == nullptr && next->effect != best->effect) contradicts = &to;
            if (rank <= best_rank) continue;
            best_rank = rank;
            best = next;
            target = &to;
            contradicts = nullptr;
        }
        if (best == nullptr) {
            answer.end = nullptr;
            answer.why = fmt::format("its module is made by {}, and there is none for {} in the audit or on --path{}",
                                     quoted(name, 200), python.text(), unfit);
            return answer;
        }
        if (contradicts != nullptr) {
            answer.end = nullptr;
            answer.effect = Effect::unknown;
            answer.why = fmt::format(
                "its module is made by {}, of which there are several that say different things: "
                "{} and {}; audit them apart",
                quoted(name, 200), quoted(target->binary->path, 600), quoted(contradicts->binary->path, 600));
            return answer;
        }
        const Confidence confidence = answer.confidence;
        answer = *best;
        answer.confidence = std::max(confidence, answer.confidence);
        answer.why = fmt::format("its module is made by {}: {}", quoted(name, 200), best->why);
        answer.way.insert(answer.way.begin(), name + " (" + target->binary->path + ")");
        return answer;
    }

    std::multimap<std::string, Known, std::less<>> known_;
    std::map<std::pair<const ModuleAudit*, PythonVersion>, Answer> answers_;
};

/// Taken over at the end, so that the order of modules does not matter.
struct Resolved {
    Verdict verdict = Verdict::not_a_module;
    std::optional<Answer> decisive;  ///< the worst
    std::vector<EffectOn> effects;
};

Resolved resolve(Resolver& resolver, const Target& from, std::span<const PythonVersion> pythons) {
    Resolved resolved;
    for (const PythonVersion python : pythons) {
        const Answer& answer = resolver.ask(from, python);
        resolved.effects.push_back({python, answer.effect, answer.why});
        if (!is_loaded(answer.effect)) continue;
        resolved.verdict = std::max(resolved.verdict, answer.verdict);
        if (answer.end != nullptr && (!resolved.decisive || answer.verdict > resolved.decisive->verdict))
            resolved.decisive = answer;
    }
    return resolved;
}

}  // namespace

void resolve_delegations(AuditReport& report, std::span<const BinaryAudit> others, const AuditOptions& options) {
    Resolver resolver(report, others);
    const std::span<const PythonVersion> pythons =
        options.pythons.empty() ? default_pythons() : std::span(options.pythons);
    std::map<ModuleAudit*, Resolved> found;
    for (BinaryAudit& binary : report.binaries)
        for (ModuleAudit& module : binary.modules)
            if (module.verdict == Verdict::delegated)
                found.emplace(&module, resolve(resolver, {&binary, &module}, pythons));
    for (auto& [module, resolved] : found) {
        if (module->primary) module->effects = std::move(resolved.effects);
        if (!resolved.decisive) continue;
        const Answer& from = *resolved.decisive;
        for (const std::string& step : from.way)
            module->evidence.push_back({"delegates to " + escape(step, 600), module->entry_point});
        // Some interpreters may find a module that decides, and others none: what is not known stays so.
        if (resolved.verdict != from.verdict) continue;
        module->verdict = from.verdict;
        module->confidence = from.confidence;
        module->marker = from.end->marker;
        module->marker_kind = MarkerKind::delegated;
        module->reason = from.why;
    }
}

}  // namespace interlock::auditing::verdict
