// model_calls.hpp: methods of objects of the interpreter's types, which are called as objects.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

/// Whether calls of this method are modelled: `__contains__` of a dictionary.
bool has_modelled_method(Interpreter& in, std::uint64_t object, const std::string& name);

}  // namespace interlock::auditing::emulation
