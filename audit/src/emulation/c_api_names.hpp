// c_api_names.hpp: what the name of a function or variable of the C API tells.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// Bits of tp_flags that the checks in macros look at, of a type of the interpreter ("PyLong_Type").
std::uint64_t type_flags_of(std::string_view type) noexcept;
/// The type of what a function makes, where macros ask for it; empty if it does not matter.
std::string_view type_made_by(std::string_view function) noexcept;
/// What is data and not a function. The symbol tables of ELF do not say it of what is imported.
bool is_data(std::string_view name) noexcept;
/// Numbers that say something, and not only that a call succeeded. 0 is the likely one.
bool is_value(std::string_view function) noexcept;
/// Objects that are what the arguments make them; of others nothing is known.
bool is_made(std::string_view function) noexcept;
/// Of functions that are not modelled: they have no result that means anything, and nothing to say about the module.
bool has_no_say(std::string_view function) noexcept;
/// The objects that they make are read by macros.
bool is_often_looked_into(std::string_view function) noexcept;
/// Whether a function may call functions of the objects that it is given, other than those that the model runs for it.
bool may_call_back(std::string_view function) noexcept;
bool is_of_c_api(std::string_view function) noexcept;
/// The minor version from which on a function is not there any more; 0 for one that still is.
unsigned c_api_until(std::string_view function) noexcept;
/// A function that an image cannot be loaded without, and that this version has no longer; empty if there is none.
std::string_view c_api_gone(const image::Image& image, unsigned minor) noexcept;
/// What the process has before it loads a module: functions of the C API and of the C library on Linux.
bool is_of_process(std::string_view function) noexcept;
/// Whether a library beside the module may have what it imports weakly.
bool may_be_of_library(std::string_view name) noexcept;

}  // namespace interlock::auditing::emulation
