// interlock/warning_filter.hpp: what becomes of a warning: the filters of -W and of policy files.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// Categories; the text form (category_name) appears in -W, policies and JSON.
enum class WarningCategory : std::uint8_t {
    fallback,  ///< a module made the runtime fall back to locked mode (CPython's RuntimeWarning)
    marker,    ///< a marker says something that this version does not know, or contradicts a manifest
    manifest,  ///< a manifest was ignored or is wrong
    policy,    ///< a policy rule has expired, matches nothing, ...
    stall,     ///< a thread holds up the switch to locked mode
    module,    ///< issued by a module with il_warn
};
inline constexpr std::array<WarningCategory, 6> all_warning_categories = {
    WarningCategory::fallback, WarningCategory::marker, WarningCategory::manifest,
    WarningCategory::policy,   WarningCategory::stall,  WarningCategory::module};
IL_API std::string_view category_name(WarningCategory category) noexcept;
IL_API std::optional<WarningCategory> category_from_name(std::string_view name) noexcept;

/// `once` is the same as `default_`: once for each module and category.
enum class WarningAction : std::uint8_t { default_, always, ignore, error };
IL_API std::string_view action_name(WarningAction action) noexcept;  ///< "default", "always", "ignore", "error"

struct WarningFilter {
    WarningAction action = WarningAction::default_;
    std::optional<WarningCategory> category;  ///< nullopt: all
    std::string module = "*";                 ///< glob on the full dotted name
};

/// Parses `action[:category[:module-glob]]` as in -W; "RuntimeWarning" is accepted for `fallback`, "once" for default.
/// Error: invalid_option, naming the accepted words with a "did you mean".
IL_API Result<WarningFilter> parse_warning_filter(std::string_view text);

/// The action for one warning: the last filter that matches decides (so later -W options win, as in CPython);
/// without a match, default_.
IL_API WarningAction resolve_warning(std::span<const WarningFilter> filters, WarningCategory category,
                                     std::string_view module) noexcept;

}  // namespace interlock
