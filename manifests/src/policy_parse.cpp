// policy_parse.cpp: JSON to Policy, with every problem of the file reported at its place.
//
// SPDX-License-Identifier: MIT
#include <utility>

#include <interlock/escape.hpp>
#include <interlock/policy.hpp>

#include "base/input_file.hpp"
#include "filter_text.hpp"
#include "manifests/json_checks.hpp"
#include "policy_text.hpp"

namespace interlock {
using namespace manifests;
namespace {

class Parser {
public:
    Parser(JsonSource& source, Policy& policy, std::chrono::year_month_day today)
        : source_(source), checks_(source), policy_(policy), today_(today) {}

    void run() {
        const JsonNode& root = *source_.root();
        if (!checks_.is(root, JsonKind::object, "the policy") || !checks_.header(root)) return;
        constexpr std::array<std::string_view, 5> known = {"$schema", "version", "rules", "default", "warnings"};
        checks_.keys(root, "the policy", known);
        if (const JsonNode* node = root.find("rules"); node && checks_.is(*node, JsonKind::array, "'rules'")) {
            for (const JsonNode& rule : node->children) parse_rule(rule);
        }
        if (const JsonNode* node = root.find("default"); node && checks_.is(*node, JsonKind::object, "'default'")) {
            constexpr std::array<std::string_view, 1> keys = {"unmarked"};
            checks_.keys(*node, "'default'", keys);
            policy_.default_unmarked = action(node->find("unmarked"));
        }
        if (const JsonNode* node = root.find("warnings"); node && checks_.is(*node, JsonKind::array, "'warnings'")) {
            for (const JsonNode& filter : node->children) parse_filter(filter);
        }
        report_unused_rules();
    }

private:
    void parse_rule(const JsonNode& node) {
        if (!checks_.is(node, JsonKind::object, "a rule")) return;
        constexpr std::array<std::string_view, 4> known = {"match", "threading", "reason", "expires"};
        checks_.keys(node, "a rule", known);
        PolicyRule rule;
        rule.line = source_.line_of(node.offset);
        rule.column = source_.column_of(node.offset);
        const JsonNode* match = checks_.required(node, "a rule", "match", "say which modules it is for");
        if (match && checks_.is(*match, JsonKind::object, "'match'")) parse_match(*match, rule);
        const JsonNode* threading =
            checks_.required(node, "a rule", "threading", "free, module_lock, global_lock or refuse");
        rule.threading = action(threading).value_or(PolicyAction::global_lock);
        const JsonNode* reason = checks_.required(node, "a rule", "reason", "say why, for whoever finds it later");
        rule.reason = checks_.text(reason).value_or("");
        rule.expires = date(node.find("expires"));
        policy_.rules.push_back(std::move(rule));
        rule_offsets_.push_back(node.offset);
    }

    void parse_match(const JsonNode& match, PolicyRule& rule) {
        constexpr std::array<std::string_view, 5> known = {"module", "file", "sha256", "build_id", "marker"};
        checks_.keys(match, "'match'", known);
        if (match.children.empty()) {
            source_.report(Code::empty_match, match.offset, "'match' has no condition",
                           "to match every module, write {\"module\": \"*\"}");
        }
        rule.module = checks_.glob(match.find("module"));
        rule.file = checks_.glob(match.find("file"));
        rule.sha256 = checks_.sha256(match.find("sha256"));
        rule.build_id = checks_.build_id(match.find("build_id"));
        if (const auto index = checks_.word(match.find("marker"), marker_states)) {
            rule.marker = static_cast<MarkerState>(*index);
        }
    }

    std::optional<PolicyAction> action(const JsonNode* node) {
        const auto index = checks_.word(node, policy_actions);
        if (!index) return std::nullopt;
        return static_cast<PolicyAction>(*index);
    }

    std::optional<std::chrono::year_month_day> date(const JsonNode* node) {
        if (node == nullptr || !checks_.is(*node, JsonKind::string, quoted(node->key))) return std::nullopt;
        const auto day = parse_date(node->text);
        if (!day) {
            source_.report(Code::bad_date, node->offset, quoted(node->text) + " is not a date",
                           "write an existing day as YYYY-MM-DD");
        }
        return day;
    }

    void parse_filter(const JsonNode& node) {
        if (!checks_.is(node, JsonKind::string, "an item of 'warnings'")) return;
        FilterText parsed = parse_filter_text(node.text);
        if (parsed.error) {
            source_.report(Code::bad_filter, source_.offset_in_string(node, parsed.error->offset),
                           "warning filter " + quoted(node.text) + ": " + parsed.error->message, parsed.error->hint);
            return;
        }
        policy_.warnings.push_back(std::move(parsed.filter));
    }

    void report_unused_rules() {
        // A rule with a wrong condition would seem to match more than it says.
        const auto shadowing = source_.has_errors() ? std::vector<const PolicyRule*>(policy_.rules.size())
                                                    : shadowing_rules(policy_, today_);
        for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
            const PolicyRule& rule = policy_.rules[i];
            const std::string name = describe(rule);
            if (rule.expires && *rule.expires < today_) {
                source_.report(Code::expired_rule, rule_offsets_[i],
                               "the rule for " + name + " expired on " + date_text(*rule.expires) +
                                   " and matches nothing any more",
                               "remove it, or extend it with a new reason");
            } else if (shadowing[i] != nullptr && !name.empty()) {
                source_.report(Code::shadowed_rule, rule_offsets_[i],
                               "the rule for " + name + " never matches: the one for " + describe(*shadowing[i]) +
                                   " on line " + std::to_string(shadowing[i]->line) + " comes first",
                               "move it up, or remove it");
            }
        }
    }

    JsonSource& source_;
    JsonChecks checks_;
    Policy& policy_;
    std::chrono::year_month_day today_;
    std::vector<std::size_t> rule_offsets_;
};

}  // namespace

std::optional<std::chrono::year_month_day> manifests::parse_date(std::string_view text) noexcept {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto number = [&](std::size_t from, std::size_t size) {
        int value = 0;
        for (const char c : text.substr(from, size))
            value = c < '0' || c > '9' || value < 0 ? -1 : value * 10 + (c - '0');
        return value;
    };
    const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
    if (year < 0 || month < 0 || day < 0) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day)));
    if (!date.ok()) return std::nullopt;
    return date;
}

std::string manifests::date_text(std::chrono::year_month_day date) {
    const auto padded = [](unsigned value, std::size_t size) {
        const std::string digits = std::to_string(value);
        return std::string(digits.size() < size ? size - digits.size() : 0, '0') + digits;
    };
    return padded(static_cast<unsigned>(static_cast<int>(date.year())), 4) + '-' +
           padded(static_cast<unsigned>(date.month()), 2) + '-' + padded(static_cast<unsigned>(date.day()), 2);
}

PolicyFile parse_policy(std::string_view text, const std::filesystem::path& path, std::chrono::year_month_day today) {
    PolicyFile out;
    out.policy.path = path;
    JsonSource source(text, path.string());
    if (source.root() != nullptr) Parser(source, out.policy, today).run();
    out.diagnostics = source.take_diagnostics();
    return out;
}

Result<PolicyFile> read_policy(const std::filesystem::path& path, std::chrono::year_month_day today) {
    const auto text = base::read_text_file(path, max_json_size);
    if (!text) return text.error();
    return parse_policy(*text, path, today);
}

}  // namespace interlock
