// verbs.hpp: the verbs of the command, one file each.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "command_line.hpp"

namespace interlock::cli {

Verb run_verb();
Verb import_verb();
Verb call_verb();
Verb python_verb();
Verb policy_check_verb();
Verb manifest_create_verb();
Verb manifest_check_verb();
// In the program with the audit.
Verb plan_verb();
Verb config_verb();
Verb audit_verb();
Verb inspect_verb();
Verb explain_verb();

/// Those of this program, in the order of the list; with Verb::elsewhere those of the other one.
std::vector<Verb> all_verbs();

// What the list of verbs says of those that the other program has.
inline constexpr const char* plan_summary = "Say what an import would do and why, without loading anything";
inline constexpr const char* config_summary = "Print the values that count here, and where each comes from";
inline constexpr const char* audit_summary =
    "Say which compiled modules turn Python's GIL back on, without running them";
inline constexpr const char* inspect_summary =
    "Print all that one file says of itself: markers, entry points, and how the audit judged it";
inline constexpr const char* explain_summary =
    "Say what a code means, why it comes, and what to do; without CODE list them";

}  // namespace interlock::cli
