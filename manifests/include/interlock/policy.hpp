// interlock/policy.hpp: the user's rules, which override marker and manifest. The file format is JSON, described by
// schema/policy.schema.json; docs/policies.md explains it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/diagnostic.hpp>
#include <interlock/export.hpp>
#include <interlock/level.hpp>
#include <interlock/result.hpp>
#include <interlock/warning_filter.hpp>

namespace interlock {

/// What a rule or a default does with a module: one of the threading levels, or refuse the import.
enum class PolicyAction : std::uint8_t {
    global_lock = 0,
    module_lock = 1,
    free = 2,
    refuse = 3,
    interpreter = 4,  ///< in no file, and only for CPython: too little is known, so it does as without interlock
};
IL_API std::string_view action_name(PolicyAction action) noexcept;  ///< the spelling in files
IL_API std::optional<PolicyAction> policy_action_from_name(std::string_view name) noexcept;

/// What a rule's "marker" can ask for: a level, or that there is no (usable) marker.
enum class MarkerState : std::uint8_t { global_lock = 0, module_lock = 1, free = 2, unmarked = 3 };
IL_API std::string_view marker_state_name(MarkerState state) noexcept;

/// The module that a rule is matched against. `sha256` is called at most once and only if a rule needs it; it returns
/// "" when the file cannot be read.
struct PolicySubject {
    std::string module;          ///< full dotted name
    std::filesystem::path file;  ///< as found, absolute
    std::string build_id;        ///< hex or empty
    MarkerState marker = MarkerState::unmarked;
    std::function<std::string()> sha256;
    bool is_module = true;  ///< false: a library that a module needs; rules that ask for a module or a marker skip it
};

/// A rule. All the conditions that are set must hold; a file cannot contain a rule without one.
struct PolicyRule {
    std::optional<std::string> module;    ///< glob on the dotted name: * ? [a-z] [!a]; * also matches dots
    std::optional<std::string> file;      ///< glob; with a '/' on the whole path (a relative one counts from the
                                          ///< folder of the policy file), else on the file's name; * also matches /
    std::optional<std::string> sha256;    ///< hex
    std::optional<std::string> build_id;  ///< hex
    std::optional<MarkerState> marker;
    PolicyAction threading = PolicyAction::global_lock;
    std::string reason;
    std::optional<std::chrono::year_month_day> expires;  ///< the last day on which the rule counts, UTC
    std::size_t line = 0, column = 0;                    ///< of the rule in its file
};

struct Policy {
    std::filesystem::path path;  ///< empty for one made by a program
    std::vector<PolicyRule> rules;
    std::optional<PolicyAction> default_unmarked;  ///< "default": {"unmarked": ...}
    std::vector<WarningFilter> warnings;           ///< "warnings": ["ignore:fallback:numpy.*", ...]
    Diagnostics findings;  ///< of load_policy(), and no errors: the Loader that gets the policy warns of them

    /// The first rule that matches and has not expired on `today`, or null. Points into this policy. [any-thread]
    IL_API const PolicyRule* match(const PolicySubject& subject, std::chrono::year_month_day today) const;
};

/// Whether one rule matches, whatever its date.
IL_API bool rule_matches(const PolicyRule& rule, const std::filesystem::path& policy_folder,
                         const PolicySubject& subject);

/// How many subjects a rule decided.
struct RuleUse {
    const PolicyRule* rule = nullptr;  ///< points into the policy
    std::size_t matches = 0;
};
/// For every rule, in order, how many of `subjects` it decides: each counts for the first rule that matches and has not
/// expired, as an import would have it.
IL_API std::vector<RuleUse> count_rule_matches(const Policy& policy, std::span<const PolicySubject> subjects,
                                               std::chrono::year_month_day today);

/// "module 'legacy.*'", for messages.
IL_API std::string describe(const PolicyRule& rule);
/// The rule as JSON on one line, to paste into a policy file.
IL_API std::string to_json_text(const PolicyRule& rule);

/// A policy and everything there is to say about its file. Only when no diagnostic is an error may the policy be used.
struct PolicyFile {
    Policy policy;
    Diagnostics diagnostics;
};

/// Parses text; `path` names it in diagnostics and anchors relative globs. Never throws for bad input. [any-thread]
IL_API PolicyFile parse_policy(std::string_view text, const std::filesystem::path& path,
                               std::chrono::year_month_day today);
/// Reads and parses a file. Errors of reading: not_found, unreadable; a file with wrong content is a value with errors.
IL_API Result<PolicyFile> read_policy(const std::filesystem::path& path, std::chrono::year_month_day today);

/// Reads a policy that is to be used: the same, and a file with wrong content is an error as well, which names every
/// place in it. Errors: not_found, unreadable, invalid_policy. [any-thread]
IL_API Result<Policy> load_policy(const std::filesystem::path& path);

/// Today in UTC; `SOURCE_DATE_EPOCH` does not count here.
IL_API std::chrono::year_month_day today_utc();

}  // namespace interlock
