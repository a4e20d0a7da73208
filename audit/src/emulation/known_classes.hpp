// known_classes.hpp: what is known of other modules: which are always there, and what of theirs is a class.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace interlock::auditing::emulation {

/// Of the standard library, and what modules import first.
bool is_always_there(std::string_view module) noexcept;
/// A class of the standard library that init functions fetch and check to be a type.
bool is_known_class(std::string_view module, std::string_view name) noexcept;
/// Whether a name is written as those of classes are, by custom or by NumPy: `ndarray`, `int32`, `DataFrame`.
bool is_named_like_a_class(std::string_view module, std::string_view name) noexcept;

}  // namespace interlock::auditing::emulation
