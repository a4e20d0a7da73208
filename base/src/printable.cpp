// printable.cpp: what escape() leaves alone passes; backslashes do, too, as what is escaped already must not be so
// twice.
//
// SPDX-License-Identifier: MIT
#include "base/printable.hpp"

#include <limits>

#include <interlock/escape.hpp>

namespace interlock::base {

std::string printable(std::string_view text) {
    constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max() / 4;
    std::string out;
    out.reserve(text.size());
    for (std::size_t begin = 0;;) {
        const std::size_t backslash = text.find('\\', begin);
        out += escape(text.substr(begin, backslash - begin), no_limit);
        if (backslash == text.npos) return out;
        out += '\\';
        begin = backslash + 1;
    }
}

}  // namespace interlock::base
