// distribution_name.cpp: the rule of PEP 503, for ASCII, as names of distributions are.
//
// SPDX-License-Identifier: MIT
#include "base/distribution_name.hpp"

namespace interlock::base {

std::string normalized_distribution_name(std::string_view name) {
    std::string result;
    for (const char c : name) {
        const bool separator = c == '-' || c == '_' || c == '.';
        if (separator && result.ends_with('-')) continue;
        result += separator ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return result;
}

}  // namespace interlock::base
