// findings.hpp: what applies the rules: one function for each kind of thing that a rule is about.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rules.hpp"
#include "verdict/binary.hpp"

namespace interlock::auditing::rules {

/// Takes findings, each with its fingerprint.
class FindingCollector {
public:
    explicit FindingCollector(AuditReport& report) : report_(report) {}

    /// About a module.
    Finding& add(RuleId rule, const BinaryAudit& binary, const ModuleAudit& module, std::string message);
    /// About all slices of a file together, of which `binary` is one.
    Finding& add_for_file(RuleId rule, const BinaryAudit& binary, const ModuleAudit& module, std::string message);
    /// `about` tells apart what one rule finds in one package, and stays the same in a later build.
    Finding& add(RuleId rule, const PackageAudit& package, std::string message, std::string_view about = {});
    /// About anything else; `identity` is what stays the same in a later build.
    Finding& add(RuleId rule, std::string path, std::string_view identity, std::string message);

private:
    Finding& push(RuleId rule, std::string path, std::string message, std::string fingerprint);
    std::string distribution_of(std::size_t package) const;
    AuditReport& report_;
};

/// Whether it has the name of a distribution, and not that of a file or folder.
bool is_distribution(const PackageAudit& package) noexcept;

/// Of `module` "3.13t and 3.14t": those interpreters on which the import has this effect; empty if none.
std::string pythons_with(const ModuleAudit& module, Effect effect);

/// "module 'pkg._m'", with the architecture where the file has several slices.
std::string named(const BinaryAudit& binary, const ModuleAudit& module);

/// "cp313-cp313t-win32, cp313-cp313t-win_amd64 and 7 more": the first six, escaped.
std::string listed_tags(const std::vector<std::string>& tags);

/// The module whose import the file answers, or null for a library that is no module.
const ModuleAudit* primary_module(const BinaryAudit& binary) noexcept;

/// Files in a wheel that are for others than those who get it, and do no harm: by their names nobody else looks for
/// them, and their modules have other files, which fit.
using StrayFiles = std::set<const BinaryAudit*>;
StrayFiles find_stray_files(const AuditReport& report);

// The rules about modules (their marker, and what they use), about tags, wheels, packages and slices, about what was
// asked for, and those of the policy, which also accepts findings.
void find_in_modules(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings);
void find_in_tags(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings);
void find_in_wheels(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings);
void find_in_packages(const AuditReport& report, FindingCollector& findings);
void find_what_loads_nowhere(const AuditReport& report, FindingCollector& findings, const AuditOptions& options);
void apply_policy(AuditReport& report, FindingCollector& findings, const AuditOptions& options);

/// Applies all rules and the policy: fills report.findings, sorted. (rules: findings.cpp)
void find_all(AuditReport& report, const AuditOptions& options);

}  // namespace interlock::auditing::rules
