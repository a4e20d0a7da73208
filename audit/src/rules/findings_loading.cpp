// findings_loading.cpp: whether the interpreters that were asked for by name load anything of what was audited for
// them.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <interlock/escape.hpp>

#include "base/distribution_name.hpp"
#include "rules/findings.hpp"

namespace interlock::auditing::rules {

namespace {

/// The builds of one distribution, or all that is of none.
struct Group {
    std::size_t first = 0;  ///< package
    std::size_t packages = 0, modules = 0;
    bool any_loads = false;
    std::string example;  ///< why one of the modules is not loaded
};

bool is_loaded(const ModuleAudit& module) noexcept {
    return std::any_of(module.effects.begin(), module.effects.end(),
                       [](const EffectOn& on) { return on.effect != Effect::cannot_load; });
}

std::string group_of(const PackageAudit& package) {
    return is_distribution(package) ? base::normalized_distribution_name(package.name) : std::string();
}

std::map<std::string, Group> groups_of(const AuditReport& report) {
    std::map<std::string, Group> groups;
    std::vector<Group*> of_package;
    for (const PackageAudit& package : report.packages) of_package.push_back(&groups[group_of(package)]);
    std::set<std::size_t> with_modules;
    for (const BinaryAudit& binary : report.binaries) {
        const ModuleAudit* module = primary_module(binary);
        if (module == nullptr || binary.package >= of_package.size()) continue;
        Group& group = *of_package[binary.package];
        if (group.modules++ == 0) group.first = binary.package;
        if (with_modules.insert(binary.package).second) ++group.packages;
        // Modules of interlock are loaded by no Python.
        group.any_loads = group.any_loads || module->effects.empty() || is_loaded(*module);
        if (group.example.empty() && !module->effects.empty())
            group.example = fmt::format("module {}: {}", quoted(module->name, 100), module->effects.front().why);
    }
    return groups;
}

std::string names_of(const AuditReport& report) {
    std::string names;
    for (std::size_t i = 0; i < report.pythons.size(); ++i)
        names += (i == 0 ? "" : i + 1 == report.pythons.size() ? " or " : ", ") + report.pythons[i].text();
    return names;
}

}  // namespace

void find_what_loads_nowhere(const AuditReport& report, FindingCollector& findings, const AuditOptions& options) {
    // Of those that are looked at by default nobody said that the files are for them.
    if (options.pythons.empty()) return;
    for (const auto& [name, group] : groups_of(report)) {
        if (group.modules == 0 || group.any_loads) continue;
        const PackageAudit& package = report.packages[group.first];
        const std::string what = group.packages == 1
                                     ? quoted(package.name, 200)
                                     : fmt::format("the {} packages{} that were audited", group.packages,
                                                   name.empty() ? "" : " of " + quoted(package.name, 200));
        Finding& finding = findings.add(RuleId::nothing_loads, package,
                                        fmt::format("nothing of {} can be loaded by {}, which was asked for; {}", what,
                                                    names_of(report), group.example));
        finding.fix = "audit the build for that interpreter as well, or ask with --python for the one that this is for";
    }
}

}  // namespace interlock::auditing::rules
