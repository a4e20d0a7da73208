// model_endings.hpp: a program that ends itself, with what it said before.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

/// Ends the run: "abort(): 'what it wrote to its standard error'".
void end_with_words(Interpreter& interpreter, std::string what);

}  // namespace interlock::auditing::emulation
