// own_functions.hpp: functions of the module that the interpreter calls for it: methods, slots of its types, getters,
// comparators. The guest runs them where the interpreter would; what cannot be run is assumed.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "emulation/interpreter.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

/// Gets what a function has returned, when the guest has run it; sets the result of the function at hand.
using Then = std::function<void(std::uint64_t)>;
using Arguments = std::vector<std::uint64_t>;

/// Why a verdict is worth less where such a function was not run.
constexpr std::string_view own_function_not_run = "a function of its own that the interpreter would call";

inline bool is_own_function(Interpreter& in, std::uint64_t address) {
    return address != 0 && in.guest().image_at(address).has_value();
}
/// A class that the module has or makes.
bool is_own_type(Interpreter& in, std::uint64_t type);
/// Runs a function of the module before the one at hand returns. Where that takes more arguments than a stand-in can
/// pass, it is assumed to fail.
void run_own(Interpreter& in, std::uint64_t function, const Arguments& arguments, Then then);
/// The function of the module that a class has in a slot, or inherits; 0 if there is none, or it is the interpreter's.
std::uint64_t own_slot(Interpreter& in, std::uint64_t type, SlotPlace place);
inline std::uint64_t own_slot(Interpreter& in, std::uint64_t type, unsigned field) {
    return own_slot(in, type, SlotPlace{0, field});
}
/// Along tp_mro, the class itself first.
std::vector<std::uint64_t> classes_of(Interpreter& in, std::uint64_t type);
/// An object of a class with functions of the module's own, or one that holds such an object: who looks into it calls
/// these.
bool calls_own_functions(Interpreter& in, std::uint64_t object, unsigned depth = 0);

/// A function of the C API that calls a slot of its argument, where that is the module's: true when the guest runs it.
bool run_own_slot(Interpreter& in, std::string_view function);

/// What an int says that is returned as a word.
inline std::int32_t as_int(std::uint64_t value) noexcept {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
}

}  // namespace interlock::auditing::emulation
