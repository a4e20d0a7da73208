// rules.hpp: the rules by name, for the code that applies them. What each means and how to fix what it finds is in its
// page in audit/rules, which cmake/EmbedPages.cmake puts into the table of rules.cpp.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <interlock/audit.hpp>

namespace interlock::auditing::rules {

/// In the order of the ids: the first is IL001.
enum class RuleId : std::uint8_t {
    unmarked,
    gil_used,
    mixed_package,
    tag_mismatch,
    undetermined,
    abi3_in_free_threaded_tag,
    marker_too_late,
    writable_globals,
    hidden_state,
    borrowed_references,
    delegation_target_missing,
    manifest_mismatch,
    marker_value,
    marker_twice,
    policy_refused,
    policy_unused,
    policy_expired,
    slices_disagree,
    crashes,
    nothing_loads,
};
inline constexpr std::size_t rule_count = static_cast<std::size_t>(RuleId::nothing_loads) + 1;

const Rule& rule(RuleId id) noexcept;

}  // namespace interlock::auditing::rules
