// model_answers.hpp: answers that functions of several parts of the model give.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "emulation/model_memory.hpp"

namespace interlock::auditing::emulation {

inline void zero(Interpreter& in) { in.result(0); }
inline void one(Interpreter& in) { in.result(1); }
inline void same(Interpreter& in) { in.result(in.argument(0)); }

/// dlsym() and GetProcAddress(library, name): the C API is found in each process with an interpreter, what the model
/// knows in a system that is new enough; of other names nothing is known.
inline void find_symbol(Interpreter& in) {
    const std::string name = in.argument(1) < 0x10000 ? std::string() : text_of(in, in.argument(1));
    const std::uint64_t found = name.empty() ? 0 : in.find_symbol(name);
    if (found != 0 || !in.has_function(name)) return in.result(found);
    in.assume("whether the system has " + name.substr(0, 64));
    in.result(in.likely() ? in.find_system_symbol(name) : 0);
}

}  // namespace interlock::auditing::emulation
