// findings.cpp: fingerprints, the order of findings, and the rules about packages and universal files.
//
// SPDX-License-Identifier: MIT
#include "rules/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "base/distribution_name.hpp"

namespace interlock::auditing::rules {

namespace {

constexpr std::size_t fingerprint_digits = 32;
constexpr std::size_t most_names = 8;  // in one message

/// The parts are joined by a byte that none of them contains, as two findings must not come to one text.
std::string fingerprint(std::initializer_list<std::string_view> parts) {
    std::string text = "interlock audit 1";
    for (const std::string_view part : parts) {
        text += '\0';
        for (const char c : part) text += c == '\0' ? ' ' : c;
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    return sha256_hex({bytes, text.size()}).substr(0, fingerprint_digits);
}

std::string machine_of(const BinaryAudit& binary) { return binary.platform + '-' + binary.architecture; }

bool counts_against(Verdict verdict) noexcept {
    return verdict == Verdict::unmarked || verdict == Verdict::global_lock;
}

std::string counted(std::size_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < most_names; ++i) text += (i == 0 ? "" : ", ") + quoted(names[i]);
    if (names.size() > most_names) text += fmt::format(" and {} more", names.size() - most_names);
    return text;
}

}  // namespace

bool is_distribution(const PackageAudit& package) noexcept {
    return package.kind == "distribution" || !package.version.empty();
}

std::string pythons_with(const ModuleAudit& module, Effect effect) {
    std::vector<std::string> names;
    for (const EffectOn& on : module.effects) {
        if (on.effect == effect) names.push_back(on.python.text());
    }
    if (names.empty()) return {};
    const std::string last = names.back();
    names.pop_back();
    return names.empty() ? last : fmt::format("{} and {}", fmt::join(names, ", "), last);
}

const ModuleAudit* primary_module(const BinaryAudit& binary) noexcept {
    const auto found = std::find_if(binary.modules.begin(), binary.modules.end(), [](const ModuleAudit& module) {
        return module.primary && module.verdict != Verdict::not_a_module;
    });
    return found == binary.modules.end() ? nullptr : &*found;
}

std::string named(const BinaryAudit& binary, const ModuleAudit& module) {
    return "module " + quoted(module.name) +
           (binary.slice ? " (the slice for " + escape(binary.architecture) + ')' : std::string());
}

Finding& FindingCollector::push(RuleId id, std::string path, std::string message, std::string print) {
    Finding finding;
    finding.rule = &rule(id);
    finding.level = finding.rule->level;
    finding.path = std::move(path);
    finding.message = std::move(message);
    finding.fingerprint = std::move(print);
    return report_.findings.emplace_back(std::move(finding));
}

/// Folders, files and archives of an unknown kind are named by where they lie, which says nothing about what they are.
std::string FindingCollector::distribution_of(std::size_t package) const {
    if (package >= report_.packages.size()) return {};
    const PackageAudit& owner = report_.packages[package];
    return is_distribution(owner) ? base::normalized_distribution_name(owner.name) : std::string();
}

Finding& FindingCollector::add(RuleId id, const BinaryAudit& binary, const ModuleAudit& module, std::string message) {
    Finding& finding =
        push(id, binary.path, std::move(message),
             fingerprint({rule(id).id, distribution_of(binary.package), module.name, machine_of(binary)}));
    finding.module = module.name;
    finding.architecture = binary.architecture;
    return finding;
}

Finding& FindingCollector::add_for_file(RuleId id, const BinaryAudit& binary, const ModuleAudit& module,
                                        std::string message) {
    Finding& finding = push(id, binary.path, std::move(message),
                            fingerprint({rule(id).id, distribution_of(binary.package), module.name, binary.platform}));
    finding.module = module.name;
    return finding;
}

Finding& FindingCollector::add(RuleId id, const PackageAudit& package, std::string message, std::string_view about) {
    const std::string name =
        is_distribution(package) ? base::normalized_distribution_name(package.name) : std::string();
    return push(id, package.path, std::move(message), fingerprint({rule(id).id, name, "", about}));
}

Finding& FindingCollector::add(RuleId id, std::string path, std::string_view identity, std::string message) {
    return push(id, std::move(path), std::move(message), fingerprint({rule(id).id, "", identity, ""}));
}

void find_in_packages(const AuditReport& report, FindingCollector& findings) {
    // Slices of a file are one module.
    std::map<std::size_t, std::set<std::string>> against, free;
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            if (module.primary && counts_against(module.verdict)) against[binary.package].insert(module.name);
            if (module.primary && module.verdict == Verdict::free) free[binary.package].insert(module.name);
        }
    }
    for (std::size_t i = 0; i < report.packages.size(); ++i) {
        const PackageAudit& package = report.packages[i];
        if (!package.mixed) continue;
        const std::vector<std::string> names(against[i].begin(), against[i].end());
        const std::size_t marked = free[i].size();
        findings.add(RuleId::mixed_package, package,
                     fmt::format("{} of {} {} marked free, and {} not: {}", counted(marked, "module"),
                                 quoted(package.name), marked == 1 ? "is" : "are",
                                 names.size() == 1 ? "one is" : fmt::format("{} are", names.size()), listed(names)));
    }

    std::map<std::string_view, std::vector<const BinaryAudit*>> files;
    for (const BinaryAudit& binary : report.binaries) {
        if (binary.slice && primary_module(binary) != nullptr) files[binary.path].push_back(&binary);
    }
    for (const auto& [path, slices] : files) {
        std::string verdicts;
        bool disagree = false;
        for (const BinaryAudit* slice : slices) {
            const Verdict verdict = primary_module(*slice)->verdict;
            disagree = disagree || verdict != primary_module(*slices.front())->verdict;
            verdicts += fmt::format("{}{}: {}", verdicts.empty() ? "" : ", ", escape(slice->architecture),
                                    verdict_name(verdict));
        }
        if (disagree)
            findings.add_for_file(RuleId::slices_disagree, *slices.front(), *primary_module(*slices.front()),
                                  "the slices of the file have different verdicts: " + verdicts);
    }
}

void find_all(AuditReport& report, const AuditOptions& options) {
    report.findings.clear();
    FindingCollector findings(report);
    const StrayFiles strays = find_stray_files(report);
    find_in_modules(report, strays, findings);
    find_in_tags(report, strays, findings);
    find_in_wheels(report, strays, findings);
    find_in_packages(report, findings);
    find_what_loads_nowhere(report, findings, options);
    apply_policy(report, findings, options);
    std::sort(report.findings.begin(), report.findings.end(), [](const Finding& a, const Finding& b) {
        return std::tie(a.path, a.module, a.rule->id, a.architecture, a.fingerprint, a.message) <
               std::tie(b.path, b.module, b.rule->id, b.architecture, b.fingerprint, b.message);
    });
}

}  // namespace interlock::auditing::rules
