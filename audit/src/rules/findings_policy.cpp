// findings_policy.cpp: the policy of the loader, as the audit understands it: a rule that decides for a module takes
// responsibility for it, so what the audit says of its marker does not count any more; "refuse" is a finding of its
// own.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <system_error>

#include <interlock/escape.hpp>

#include "rules/findings.hpp"

namespace interlock::auditing::rules {

namespace {

/// A module, as the policy sees it.
struct Candidate {
    const BinaryAudit* binary = nullptr;
    const ModuleAudit* module = nullptr;
    PolicySubject subject;
};

MarkerState marker_state(const ModuleAudit& module) noexcept {
    switch (module.verdict) {
        case Verdict::free:
            return MarkerState::free;
        case Verdict::global_lock:
            return MarkerState::global_lock;
        default:
            break;
    }
    // A file for a GIL may carry a marker, too.
    if (module.verdict == Verdict::not_applicable && module.marker)
        return *module.marker ? MarkerState::free : MarkerState::global_lock;
    return MarkerState::unmarked;
}

/// "dist/x.whl!pkg/a.so" below the working folder: patterns see the whole of it, or "a.so".
std::filesystem::path file_of(const BinaryAudit& binary) {
    std::error_code failed;
    const std::filesystem::path absolute = std::filesystem::absolute(binary.path, failed);
    return failed ? std::filesystem::path(binary.path) : absolute.lexically_normal();
}

/// By path and module name, as findings name what they are about. Both points of view have several slices in one.
using Decisions = std::map<std::pair<std::string_view, std::string_view>, const PolicyRule*>;

bool is_about_marker(const Finding& finding) noexcept {
    for (const RuleId id : {RuleId::unmarked, RuleId::gil_used, RuleId::undetermined, RuleId::marker_too_late,
                            RuleId::delegation_target_missing, RuleId::marker_value}) {
        if (finding.rule == &rule(id)) return true;
    }
    return false;
}

bool is_about_use(const Finding& finding) noexcept {
    for (const RuleId id : {RuleId::writable_globals, RuleId::hidden_state, RuleId::borrowed_references}) {
        if (finding.rule == &rule(id)) return true;
    }
    return false;
}

void accept_module_findings(AuditReport& report, const Decisions& decisions) {
    for (Finding& finding : report.findings) {
        if (finding.module.empty() || !finding.accepted.empty()) continue;
        const auto found = decisions.find({finding.path, finding.module});
        if (found == decisions.end() || found->second->threading == PolicyAction::refuse) continue;
        const PolicyRule& rule = *found->second;
        if (is_about_marker(finding) || (rule.threading == PolicyAction::free && is_about_use(finding)))
            finding.accepted = "policy: " + rule.reason;
    }
}

/// A mixed package is accepted when somebody answers for each of the modules that make it so.
void accept_mixed_packages(AuditReport& report) {
    std::map<std::string_view, std::string_view> package_of;
    for (const BinaryAudit& binary : report.binaries) {
        if (binary.package < report.packages.size())
            package_of.emplace(binary.path, report.packages[binary.package].path);
    }
    std::set<std::string_view> open, accepted;
    for (const Finding& finding : report.findings) {
        if (finding.rule != &rule(RuleId::unmarked) && finding.rule != &rule(RuleId::gil_used) &&
            finding.rule != &rule(RuleId::marker_too_late))
            continue;
        if (finding.level == Level::note) continue;
        const auto package = package_of.find(finding.path);
        if (package != package_of.end()) (finding.accepted.empty() ? open : accepted).insert(package->second);
    }
    for (Finding& finding : report.findings) {
        if (finding.rule == &rule(RuleId::mixed_package) && accepted.contains(finding.path) &&
            !open.contains(finding.path))
            finding.accepted = "policy: all of its modules that are not marked free are accepted";
    }
}

void refuse(const Candidate& candidate, const std::string& by, FindingCollector& findings) {
    Finding& finding =
        findings.add(RuleId::policy_refused, *candidate.binary, *candidate.module,
                     fmt::format("{} is refused by {}", named(*candidate.binary, *candidate.module), by));
    finding.fix = "remove the module, or the rule when its reason is gone";
}

std::string place_of(const Policy& policy, const PolicyRule& rule) {
    return rule.line == 0 ? std::string()
                          : fmt::format("{}:{}:{}: ", escape(policy.path.string()), rule.line, rule.column);
}

}  // namespace

void apply_policy(AuditReport& report, FindingCollector& findings, const AuditOptions& options) {
    if (options.policy == nullptr) return;
    const Policy& policy = *options.policy;
    std::deque<Candidate> candidates;
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            if (module.verdict == Verdict::not_a_module) continue;
            candidates.push_back(
                {&binary, &module, {module.name, file_of(binary), binary.build_id, marker_state(module), [&binary] {
                                        return binary.sha256;
                                    }}});
        }
    }

    Decisions decisions;
    std::vector<PolicySubject> subjects;
    for (const Candidate& candidate : candidates) {
        subjects.push_back(candidate.subject);
        const PolicyRule* decided = policy.match(candidate.subject, options.today);
        if (decided != nullptr) {
            decisions.try_emplace({candidate.binary->path, candidate.module->name}, decided);
            if (decided->threading == PolicyAction::refuse)
                refuse(candidate,
                       fmt::format("{}the rule for {}: {}", place_of(policy, *decided), describe(*decided),
                                   escape(decided->reason)),
                       findings);
        } else if (policy.default_unmarked == PolicyAction::refuse && candidate.module->verdict == Verdict::unmarked) {
            refuse(candidate, "the policy's default for unmarked modules", findings);
        }
    }
    accept_module_findings(report, decisions);
    accept_mixed_packages(report);

    const std::string file = policy.path.string();
    for (const RuleUse& use : count_rule_matches(policy, subjects, options.today)) {
        const bool expired = use.rule->expires && *use.rule->expires < options.today;
        const std::string identity = to_json_text(*use.rule);
        if (expired) {
            const auto date = *use.rule->expires;
            findings
                .add(RuleId::policy_expired, file, identity,
                     fmt::format("{}the rule for {} has expired on {:04}-{:02}-{:02} and does not count",
                                 place_of(policy, *use.rule), describe(*use.rule), static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())))
                .fix = "look whether its reason still holds; write a later date, or remove it";
        } else if (use.matches == 0) {
            findings
                .add(RuleId::policy_unused, file, identity,
                     fmt::format("{}the rule for {} decides for none of the modules", place_of(policy, *use.rule),
                                 describe(*use.rule)))
                .fix = "correct its pattern or remove it";
        }
    }
}

}  // namespace interlock::auditing::rules
