// model_containers.hpp: dictionaries, for functions of the model that use one on the way.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

/// Whether a dictionary has a key; nullopt when nobody knows. The value is `value`.
std::optional<bool> dict_look_up(Interpreter& in, std::uint64_t dict, std::uint64_t key, std::uint64_t& value);
void dict_store(Interpreter& in, std::uint64_t dict, std::uint64_t key, std::uint64_t value);

}  // namespace interlock::auditing::emulation
