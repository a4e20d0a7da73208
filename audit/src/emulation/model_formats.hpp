// model_formats.hpp: values as a format of Py_BuildValue() describes them, for functions that take such a format.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "emulation/own_functions.hpp"

namespace interlock::auditing::emulation {

/// The format that is an argument of the function at hand, without what separates; "?" for one that is too long.
std::string format_at(Interpreter& in, unsigned index);
/// The objects that the arguments from `first` on make: whole numbers, texts and objects; nullopt for other formats.
std::optional<Arguments> values_of_format(Interpreter& in, std::string_view format, unsigned first);

}  // namespace interlock::auditing::emulation
