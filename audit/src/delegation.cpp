// delegation.cpp: modules that are made by others take over what those say, and packages are as bad as their worst.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "binary.hpp"
#include "python_abi.hpp"
#include "verdict.hpp"

namespace interlock::auditing {

namespace {

struct Target {
    const BinaryAudit* binary;
    const ModuleAudit* module;
};

// Two builds of a wheel may be in one audit: the target is of the same platform, architecture and ABI.
bool fits(const BinaryAudit& from, const BinaryAudit& to) {
    return from.platform == to.platform && from.architecture == to.architecture &&
           (from.abi == to.abi || from.abi == AbiFlavour::unknown || to.abi == AbiFlavour::unknown ||
            from.abi == AbiFlavour::abi3t || to.abi == AbiFlavour::abi3t) &&
           (!from.abi_version || !to.abi_version || *from.abi_version == *to.abi_version);
}

class Resolver {
public:
    Resolver(AuditReport& report, std::span<const BinaryAudit> others) {
        for (const BinaryAudit& binary : report.binaries) add(binary);
        for (const BinaryAudit& binary : others) add(binary);
    }

    /// Follows the chain from a module; null when its end is not there.
    const ModuleAudit* end_of(const BinaryAudit& binary, const ModuleAudit& module,
                              std::vector<std::string>& way) const {
        std::set<const ModuleAudit*> seen;
        const BinaryAudit* from = &binary;
        const ModuleAudit* at = &module;
        while (at->verdict == Verdict::delegated) {
            if (!seen.insert(at).second) return nullptr;  // a circle
            const Target* next = find(*from, at->delegated_to);
            if (next == nullptr) return nullptr;
            way.push_back(at->delegated_to + " (" + next->binary->path + ")");
            from = next->binary;
            at = next->module;
        }
        return at == &module ? nullptr : at;
    }

private:
    void add(const BinaryAudit& binary) {
        for (const ModuleAudit& module : binary.modules)
            if (module.verdict != Verdict::not_a_module) targets_.emplace(module.name, Target{&binary, &module});
    }

    const Target* find(const BinaryAudit& from, const std::string& name) const {
        const auto [first, last] = targets_.equal_range(name);
        for (auto target = first; target != last; ++target)
            if (target->second.binary != &from && fits(from, *target->second.binary)) return &target->second;
        return nullptr;
    }

    std::multimap<std::string, Target, std::less<>> targets_;
};

struct Resolved {
    Verdict verdict;
    Confidence confidence;
    std::string reason;
    std::vector<std::string> way;
    std::optional<bool> marker;
};

}  // namespace

void resolve_delegations(AuditReport& report, std::span<const BinaryAudit> others, const AuditOptions& options) {
    const Resolver resolver(report, others);
    std::map<ModuleAudit*, Resolved> found;  // taken over at the end, so that the order does not matter
    for (BinaryAudit& binary : report.binaries)
        for (ModuleAudit& module : binary.modules) {
            if (module.verdict != Verdict::delegated) continue;
            std::vector<std::string> way;
            if (const ModuleAudit* end = resolver.end_of(binary, module, way))
                found.emplace(&module, Resolved{end->verdict, std::max(module.confidence, end->confidence), end->reason,
                                                std::move(way), end->marker});
        }
    const std::span<const PythonVersion> pythons =
        options.pythons.empty() ? default_pythons() : std::span(options.pythons);
    for (BinaryAudit& binary : report.binaries)
        for (ModuleAudit& module : binary.modules) {
            const auto resolved = found.find(&module);
            if (resolved == found.end()) continue;
            const Resolved& from = resolved->second;
            module.verdict = from.verdict;
            module.confidence = from.confidence;
            module.marker = from.marker;
            module.marker_kind = "delegated";
            module.reason = fmt::format("its module is made by {}: {}", quoted(module.delegated_to, 200), from.reason);
            for (const std::string& step : from.way)
                module.evidence.push_back({"delegates to " + escape(step, 600), module.entry_point});
            const std::string file = binary.path.substr(binary.path.find_last_of("/!") + 1);
            module.effects = effects_of(binary, read_file_tag(file), module, nullptr, false, pythons);
        }
}

void summarize_packages(AuditReport& report) {
    const std::span<const PythonVersion> pythons =
        report.pythons.empty() ? default_pythons() : std::span(report.pythons);
    // From harmless to harmful.
    const auto rank = [](Effect effect) {
        switch (effect) {
            case Effect::keeps_gil_off:
                return 0;
            case Effect::cannot_load:
                return 1;
            case Effect::unknown:
                return 2;
            case Effect::turns_gil_on:
                return 3;
            case Effect::crashes:
                return 4;
        }
        return 2;
    };
    for (std::size_t index = 0; index < report.packages.size(); ++index) {
        PackageAudit& package = report.packages[index];
        package.worst = Verdict::not_a_module;
        package.modules = {};
        package.effects.clear();
        std::map<PythonVersion, EffectOn> worst;
        for (const BinaryAudit& binary : report.binaries) {
            if (binary.package != index) continue;
            for (const ModuleAudit& module : binary.modules) {
                ++package.modules[static_cast<std::size_t>(module.verdict)];
                package.worst = std::max(package.worst, module.verdict);
                if (!module.primary) continue;
                for (const EffectOn& effect : module.effects) {
                    EffectOn named = effect;
                    named.why = module.name + ": " + effect.why;
                    const auto [entry, fresh] = worst.try_emplace(effect.python, named);
                    if (!fresh && rank(effect.effect) > rank(entry->second.effect)) entry->second = std::move(named);
                }
            }
        }
        const auto count = [&](Verdict verdict) { return package.modules[static_cast<std::size_t>(verdict)]; };
        package.mixed = count(Verdict::free) > 0 && count(Verdict::unmarked) + count(Verdict::global_lock) > 0;
        for (const PythonVersion python : pythons)
            if (const auto entry = worst.find(python); entry != worst.end()) package.effects.push_back(entry->second);
    }
}

}  // namespace interlock::auditing
