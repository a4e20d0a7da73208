// interlock/audit_filter.hpp: which findings of a report count: those that the user ignores do not, and a level or a
// rule decides whether the audit as a whole has failed.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <interlock/audit.hpp>

namespace interlock {

/// Which findings to ignore: those of a rule, those whose path, file name or module matches a pattern, or both.
struct IgnoreFilter {
    std::string text;            ///< as written
    const Rule* rule = nullptr;  ///< null: any
    std::string glob;            ///< * ? [a-z] [!a]; * also matches '/' and '.'; empty: any
};
/// "GLOB", "RULE" or "RULE:GLOB"; a rule is given by id or name. Error: invalid_option.
IL_API Result<IgnoreFilter> parse_ignore(std::string_view text);
/// Whether it is about this finding. [any-thread]
IL_API bool ignores(const IgnoreFilter& filter, const Finding& finding);
/// Accepts what `filter` is about ("ignored by ..."), as far as it is not accepted yet; returns to how many it applies.
IL_API std::size_t ignore_findings(AuditReport& report, const IgnoreFilter& filter);

/// A level: findings of it and of higher ones; a rule: findings of it, whatever their level; or a confidence: modules
/// of which the verdict is worth no more than that, or not known at all.
struct FailFilter {
    std::optional<Level> level;
    const Rule* rule = nullptr;
    std::optional<Confidence> confidence = std::nullopt;
    bool matches(const Finding& finding) const noexcept {
        return rule != nullptr ? finding.rule == rule : level && finding.level >= *level;
    }
};
/// "error", "warning", "note", "probable", "weak", a rule's id or name, or "never". Error: invalid_option.
IL_API Result<FailFilter> parse_fail_on(std::string_view text);

/// How many findings are not accepted and match one of the filters, and how many modules one of those that ask for a
/// confidence. [any-thread]
IL_API std::size_t count_failures(const AuditReport& report, std::span<const FailFilter> filters) noexcept;

}  // namespace interlock
