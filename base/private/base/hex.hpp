// base/hex.hpp: numbers as people read addresses.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace interlock::base {

/// "0x1f". [any-thread]
std::string hex(std::uint64_t number);

}  // namespace interlock::base
