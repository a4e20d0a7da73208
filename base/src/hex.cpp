// hex.cpp: without a format library, as libinterlock has none.
//
// SPDX-License-Identifier: MIT
#include "base/hex.hpp"

#include <array>
#include <charconv>

namespace interlock::base {

std::string hex(std::uint64_t number) {
    std::array<char, 18> text{'0', 'x'};
    const auto end = std::to_chars(text.data() + 2, text.data() + text.size(), number, 16).ptr;
    return {text.data(), end};
}

}  // namespace interlock::base
