// python_tag.cpp: behind the digits are flags: t (free-threaded), d (debug), and until 3.7 m and u.
//
// SPDX-License-Identifier: MIT
#include "base/python_tag.hpp"

#include <algorithm>
#include <charconv>

namespace interlock::base {

std::optional<PythonTag> read_python_tag(std::string_view text) noexcept {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits < 2 || digits > 4 || (text[0] != '3' && text[0] != '2')) return std::nullopt;
    PythonTag tag;
    tag.major = static_cast<unsigned>(text[0] - '0');
    std::from_chars(text.data() + 1, text.data() + digits, tag.minor);
    for (const char flag : text.substr(digits)) {
        if (flag == 't')
            tag.free_threaded = true;
        else if (flag != 'd' && flag != 'm' && flag != 'u')
            return std::nullopt;
    }
    return tag;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == text.npos) return parts;
        text.remove_prefix(end + 1);
    }
}

}  // namespace interlock::base
