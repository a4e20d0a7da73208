// hex_text.hpp: numbers for people.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace interlock::auditing::emulation {

/// "0x1f".
inline std::string hex_text(std::uint64_t number) { return fmt::format("{:#x}", number); }

}  // namespace interlock::auditing::emulation
