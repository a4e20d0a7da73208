// printable.hpp: the last line of defence of the report formats. Messages contain only escaped values, but paths and
// names come as they are in files.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace interlock::base {

/// `text` with everything shown that a terminal obeys or that is no UTF-8, as escape() does it. Backslashes stay, so
/// that text which has been escaped already does not change. All of the text: no limit.
std::string printable(std::string_view text);

}  // namespace interlock::base
