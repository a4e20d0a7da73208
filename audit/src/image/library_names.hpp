// library_names.hpp: what the name of a library says that a file is linked against.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace interlock::auditing::image {

/// The name without its folders, as libraries are told apart by: "@rpath/libx.dylib" -> "libx.dylib".
std::string_view library_name(std::string_view path) noexcept;
/// Whether it is one of the system's, of a compiler's run time, or the interpreter: not to be looked for in packages.
bool is_library_of_the_system(std::string_view library);

}  // namespace interlock::auditing::image
