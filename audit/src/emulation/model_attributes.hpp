// model_attributes.hpp: the attribute of an object, for functions of the model that look one up on the way.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

/// As PyObject_GetAttr(): 0 with an error. What is not known of it is written down.
std::uint64_t attribute_of(Interpreter& in, std::uint64_t object, const std::string& name);

}  // namespace interlock::auditing::emulation
