// policy_text.hpp: the words and the date format of policy files, for the reader and the writer.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/policy.hpp>

namespace interlock::manifests {

/// By the values of PolicyAction, as far as files have them, and MarkerState.
inline constexpr std::array<std::string_view, 4> policy_actions = {"global_lock", "module_lock", "free", "refuse"};
inline constexpr std::array<std::string_view, 4> marker_states = {"global_lock", "module_lock", "free", "unmarked"};

/// YYYY-MM-DD; nullopt for another form and for a day that does not exist.
std::optional<std::chrono::year_month_day> parse_date(std::string_view text) noexcept;
std::string date_text(std::chrono::year_month_day date);

/// For every rule the first one before it that leaves it nothing to match, or null. Expired rules take no part.
std::vector<const PolicyRule*> shadowing_rules(const Policy& policy, std::chrono::year_month_day today);

}  // namespace interlock::manifests
