// standard_input.hpp: what a verb reads from standard input as a whole.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <string>

namespace interlock::cli {

/// All of standard input; no more is read as soon as there are more than `enough` bytes. Throws
/// CommandError(exit_unreadable).
std::string content_of_stdin(std::size_t enough = std::numeric_limits<std::size_t>::max());

}  // namespace interlock::cli
