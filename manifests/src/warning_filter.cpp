// warning_filter.cpp: action[:category[:module-glob]], as CPython's -W, less the message and line number fields.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>
#include <interlock/warning_filter.hpp>

#include "base/glob.hpp"
#include "filter_text.hpp"

namespace interlock {
using namespace manifests;
namespace {

constexpr std::array<std::string_view, all_warning_categories.size()> category_names = {
    "fallback", "marker", "manifest", "policy", "stall", "module"};
constexpr std::array<std::string_view, 4> action_names = {"default", "always", "ignore", "error"};

}  // namespace

std::string_view category_name(WarningCategory category) noexcept {
    return category_names[static_cast<std::size_t>(category)];
}

std::optional<WarningCategory> category_from_name(std::string_view name) noexcept {
    const auto found = std::find(category_names.begin(), category_names.end(), name);
    if (found == category_names.end()) return std::nullopt;
    return static_cast<WarningCategory>(found - category_names.begin());
}

std::string_view action_name(WarningAction action) noexcept { return action_names[static_cast<std::size_t>(action)]; }

FilterText manifests::parse_filter_text(std::string_view text) {
    const auto part = [&](std::size_t from) {
        return text.substr(from, text.find(':', from) == std::string_view::npos ? std::string_view::npos
                                                                                : text.find(':', from) - from);
    };
    FilterText out;
    const auto fail = [&](std::size_t offset, std::string message, std::string hint) -> FilterText& {
        out.error = {offset, std::move(message), std::move(hint)};
        return out;
    };

    const std::string_view action = part(0);
    constexpr std::array<std::string_view, 5> actions = {"default", "once", "always", "ignore", "error"};
    if (action != "once") {
        const auto found = std::find(action_names.begin(), action_names.end(), action);
        if (found == action_names.end()) {
            return fail(0, "unknown action " + quoted(action), did_you_mean(action, actions));
        }
        out.filter.action = static_cast<WarningAction>(found - action_names.begin());
    }
    if (action.size() == text.size()) return out;

    const std::size_t category_at = action.size() + 1;
    const std::string_view category = part(category_at);
    if (category == "RuntimeWarning") {  // CPython's name for the class of the fallback warning
        out.filter.category = WarningCategory::fallback;
    } else if (!category.empty()) {
        out.filter.category = category_from_name(category);
        if (!out.filter.category) {
            return fail(category_at, "unknown category " + quoted(category), did_you_mean(category, category_names));
        }
    }
    if (category_at + category.size() == text.size()) return out;

    const std::size_t module_at = category_at + category.size() + 1;
    const std::string_view module = text.substr(module_at);
    if (const auto error = base::check_glob(module)) {
        return fail(module_at + error->offset, "bad pattern " + quoted(module) + ": " + std::string(error->what),
                    std::string(error->hint));
    }
    if (!module.empty()) out.filter.module = module;
    return out;
}

Result<WarningFilter> parse_warning_filter(std::string_view text) {
    FilterText parsed = parse_filter_text(text);
    if (!parsed.error) return std::move(parsed.filter);
    std::string message = "warning filter " + quoted(text) + ": " + parsed.error->message;
    if (!parsed.error->hint.empty()) message += "; " + parsed.error->hint;
    return {Errc::invalid_option, message + ". A filter is action[:category[:module]]"};
}

WarningAction resolve_warning(std::span<const WarningFilter> filters, WarningCategory category,
                              std::string_view module) noexcept {
    for (std::size_t i = filters.size(); i-- > 0;) {
        const WarningFilter& filter = filters[i];
        if (filter.category && *filter.category != category) continue;
        if (base::glob_match(filter.module, module)) return filter.action;
    }
    return WarningAction::default_;
}

}  // namespace interlock
