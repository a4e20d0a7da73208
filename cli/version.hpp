// version.hpp: which interlock this is, and what it is built with.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace interlock::cli {

/// "GCC 12.2.0"
std::string compiler();
/// With the interface of the library that is in use, which need not be the one this was compiled with.
std::string tbb_version();
/// What -V and -VV print.
std::string version_text(bool how_it_was_built);

}  // namespace interlock::cli
