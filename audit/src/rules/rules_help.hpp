// rules_help.hpp: the long texts of the rules, apart from the table. Markdown, as SARIF and pull requests show them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace interlock::auditing::rules::help {

/// How a module declares that it does not use the GIL, for each framework.
extern const std::string_view how_to_mark;
/// Where a framework says "GIL used", and how to change it.
extern const std::string_view how_to_change_the_mark;
/// Where each framework states the marker in time.
extern const std::string_view how_to_mark_in_time;
/// Which values the marker has, and who writes others.
extern const std::string_view how_to_choose_the_value;
/// Where a second marker comes from.
extern const std::string_view how_to_mark_once;
/// How each framework is built for a free-threaded interpreter, or for abi3t.
extern const std::string_view how_to_build_free_threaded;
/// How to get rid of state that all threads share.
extern const std::string_view how_to_protect_state;
/// Strong references instead of borrowed ones.
extern const std::string_view how_to_own_references;

/// Why single modules of a package go without the marker.
extern const std::string_view how_to_complete_a_package;
/// How to find out what the audit could not.
extern const std::string_view how_to_find_out;
/// Where the module is that another one leaves the decision to.
extern const std::string_view how_to_provide_the_target;
/// How universal files get equal slices.
extern const std::string_view how_to_join_slices;
/// Where the build is that the interpreter can load.
extern const std::string_view how_to_audit_the_right_build;
/// A manifest for another binary.
extern const std::string_view how_to_renew_a_manifest;
/// A rule that refuses, one that is not needed, one that has expired.
extern const std::string_view how_to_solve_a_refusal;
extern const std::string_view how_to_tidy_a_policy;
extern const std::string_view how_to_renew_a_rule;

}  // namespace interlock::auditing::rules::help
