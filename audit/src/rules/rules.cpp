// rules.cpp: the table of the rules, each of which is a page in audit/rules. Ids and names are part of the interface:
// they are in baselines, policies of CI and SARIF histories, so none is ever given another meaning.
//
// SPDX-License-Identifier: MIT
#include "rules/rules.hpp"

#include <array>

namespace interlock {

namespace {

using namespace auditing::rules;

constexpr auto table = std::to_array<Rule>({
#include "rule_pages.inc"
});
static_assert(table.size() == rule_count);

}  // namespace

namespace auditing::rules {

const Rule& rule(RuleId id) noexcept { return table[static_cast<std::size_t>(id)]; }

}  // namespace auditing::rules

std::span<const Rule> rules() noexcept { return table; }

const Rule* find_rule(std::string_view id_or_name) noexcept {
    // As people write it: "il001", "GIL_USED".
    const auto same = [](std::string_view a, std::string_view b) {
        const auto plain = [](char c) {
            if (c == '_') return '-';
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        if (a.size() != b.size()) return false;
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (plain(a[i]) != plain(b[i])) return false;
        }
        return true;
    };
    for (const Rule& rule : table) {
        if (same(rule.id, id_or_name) || same(rule.name, id_or_name)) return &rule;
    }
    return nullptr;
}

}  // namespace interlock
