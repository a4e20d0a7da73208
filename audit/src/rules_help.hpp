// rules_help.hpp: the long texts of the rules, apart from the table. Markdown, as SARIF and pull requests show them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace interlock::auditing::help {

/// How a module declares that it does not use the GIL, for each framework.
extern const std::string_view how_to_mark;
/// Where a framework says "GIL used", and how to change it.
extern const std::string_view how_to_change_the_mark;
/// Where each framework states the marker in time.
extern const std::string_view how_to_mark_in_time;
/// How each framework is built for a free-threaded interpreter, or for abi3t.
extern const std::string_view how_to_build_free_threaded;
/// How to get rid of state that all threads share.
extern const std::string_view how_to_protect_state;
/// Strong references instead of borrowed ones.
extern const std::string_view how_to_own_references;

}  // namespace interlock::auditing::help
