// windows_calls.hpp: how functions of other libraries are called on 32-bit Windows: which of them take their arguments
// off the stack when they return, and which get their object in a register.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// What a called function does with the stack, beyond its return address.
struct StackUse {
    std::uint16_t takes = 0;          ///< bytes of arguments that it takes off
    bool object_in_register = false;  ///< a member function: its object is in ecx, and no argument on the stack
};

/// Nullopt where it is not known: the caller's stack is wrong from then on. Only for PE files of i386. [any-thread]
std::optional<StackUse> windows_call(const image::Import& import);
/// The same of what GetProcAddress() finds, in any library.
std::optional<StackUse> windows_call_by_name(std::string_view name);

}  // namespace interlock::auditing::emulation
