// symbol_lists.hpp: functions whose use asks for a second look in a module that is marked free: C functions that keep
// state of the whole process, and functions of Python's C API that return borrowed references.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace interlock::auditing::verdict {

/// Whether this function of the C library keeps hidden state (a static result or cursor, or a property of the process),
/// so that two threads that call it at the same time disturb each other. `symbol` is without the leading underscore of
/// Mach-O; a version behind it ("@GLIBC_2.2.5") is ignored. getenv() is among them, and harmless where nothing sets
/// variables. [any-thread]
bool keeps_hidden_state(std::string_view symbol) noexcept;
/// Whether it is not so on that platform (BinaryAudit::platform): the C library of Windows keeps the results of many of
/// them for each thread. Also true for what keeps_hidden_state() does not know.
bool is_stateless_on(std::string_view symbol, std::string_view platform) noexcept;

/// Whether this function of Python's C API returns a borrowed reference out of a container that other threads can
/// change. [any-thread]
bool returns_borrowed(std::string_view symbol) noexcept;

/// What to call instead: "PyList_GetItemRef"; for functions of neither list, and where there is nothing, empty.
std::string_view replacement_for(std::string_view symbol) noexcept;

}  // namespace interlock::auditing::verdict
