// call_arguments.hpp: values for a module from the words of a command line.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <interlock/value.hpp>
#include <string>
#include <string_view>

namespace interlock::cli {

/// `as` is "auto", "json" or "text". Throws UsageError for what is no such value, and CommandError(exit_unreadable) for
/// a file that cannot be read.
Value argument_from(const std::string& word, std::string_view as);

}  // namespace interlock::cli
