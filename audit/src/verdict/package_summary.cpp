// package_summary.cpp: what the modules of a package come to together.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "verdict/binary.hpp"

namespace interlock::auditing::verdict {

namespace {

/// From harmless to harmful.
int rank(Effect effect) noexcept {
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
}

/// By one of the interpreters that the audit is for. Modules of interlock are loaded by none of them.
bool is_loaded(const ModuleAudit& module) noexcept {
    if (module.verdict == Verdict::not_a_module) return false;
    return module.effects.empty() || std::any_of(module.effects.begin(), module.effects.end(),
                                                 [](const EffectOn& on) { return on.effect != Effect::cannot_load; });
}

class Summary {
public:
    void add(const ModuleAudit& module) {
        ++modules_[static_cast<std::size_t>(module.verdict)];
        worst_ = std::max(worst_, std::pair(is_loaded(module), module.verdict));
        for (const EffectOn& on : module.effects) {
            const auto [entry, fresh] = effects_.try_emplace({on.python, module.name}, &on);
            const EffectOn*& known = entry->second;
            // Of the files for one module an interpreter takes one that it can load.
            const bool only_this_loads = known->effect == Effect::cannot_load;
            if (!fresh && on.effect != Effect::cannot_load &&
                (only_this_loads || rank(on.effect) > rank(known->effect)))
                known = &on;
        }
    }

    void fill(PackageAudit& package, std::span<const PythonVersion> pythons) const {
        package.worst = worst_.second;
        package.modules = modules_;
        const auto count = [&](Verdict verdict) { return modules_[static_cast<std::size_t>(verdict)]; };
        package.mixed = count(Verdict::free) > 0 && count(Verdict::unmarked) + count(Verdict::global_lock) > 0;
        std::map<PythonVersion, std::pair<const std::string*, const EffectOn*>> worst;
        for (const auto& [key, on] : effects_) {
            const auto [entry, fresh] = worst.try_emplace(key.first, &key.second, on);
            if (!fresh && rank(on->effect) > rank(entry->second.second->effect)) entry->second = {&key.second, on};
        }
        package.effects.clear();
        for (const PythonVersion python : pythons) {
            const auto entry = worst.find(python);
            if (entry == worst.end()) continue;
            const auto& [name, on] = entry->second;
            package.effects.push_back({python, on->effect, *name + ": " + on->why});
        }
    }

private:
    std::array<std::size_t, verdict_count> modules_{};
    /// What nobody loads matters only where there is nothing else.
    std::pair<bool, Verdict> worst_{false, Verdict::not_a_module};
    std::map<std::pair<PythonVersion, std::string>, const EffectOn*> effects_;
};

}  // namespace

void summarize_packages(AuditReport& report) {
    const std::span<const PythonVersion> pythons =
        report.pythons.empty() ? default_pythons() : std::span(report.pythons);
    std::vector<Summary> summaries(report.packages.size());
    for (const BinaryAudit& binary : report.binaries) {
        if (binary.package >= summaries.size()) continue;
        for (const ModuleAudit& module : binary.modules)
            if (module.primary) summaries[binary.package].add(module);  // an import of the file does not run others
    }
    for (std::size_t i = 0; i < summaries.size(); ++i) summaries[i].fill(report.packages[i], pythons);
}

}  // namespace interlock::auditing::verdict
