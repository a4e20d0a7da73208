// glob.cpp: matching works on the pattern's text directly. Only the last '*' is ever retried: when a later one has been
// reached, moving an earlier one cannot help, so the effort is bounded by the product of the sizes.
//
// SPDX-License-Identifier: MIT
#include "base/glob.hpp"

#include <cstdint>

namespace interlock::base {
namespace {

/// A code point, or a byte that is not part of valid UTF-8 (shifted out of the way of all code points).
struct Character {
    std::uint32_t value = 0;
    std::size_t size = 1;
};

Character character_at(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
    const std::uint32_t first = byte(at);
    if (first < 0x80) return {first, 1};
    const Character invalid{0x110000 + first, 1};
    const std::size_t size = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : 2;
    if (first < 0xc2 || first >= 0xf5 || text.size() - at < size) return invalid;
    std::uint32_t value = first & (0xffu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(at + i) & 0xc0u) != 0x80) return invalid;
        value = value << 6 | (byte(at + i) & 0x3fu);
    }
    const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    if (overlong || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff) return invalid;
    return {value, size};
}

/// One step of a pattern, applied to one character.
struct Step {
    std::size_t size = 0;  ///< bytes of the pattern; 0: malformed
    bool matches = false;
    GlobError error;
};

constexpr GlobError unclosed{0, "'[' without a ']' behind it", "close it, or write \\[ for the character itself"};
constexpr GlobError trailing{0, "a backslash at the end", "write \\\\ for a backslash"};
constexpr GlobError reversed{0, "a range whose end comes before its start", "swap the two ends"};

Step malformed(GlobError error, std::size_t offset) noexcept {
    error.offset = offset;
    return {0, false, error};
}

/// The character in a bracket at `at`, moving `at` behind it; false at the end of the pattern.
bool bracket_character(std::string_view pattern, std::size_t& at, std::uint32_t& value) noexcept {
    if (at < pattern.size() && pattern[at] == '\\') ++at;
    if (at >= pattern.size()) return false;
    const Character c = character_at(pattern, at);
    value = c.value;
    at += c.size;
    return true;
}

Step bracket_step(std::string_view pattern, std::size_t start, std::uint32_t value) noexcept {
    std::size_t at = start + 1;
    const bool negated = at < pattern.size() && pattern[at] == '!';
    if (negated) ++at;
    bool found = false;
    for (bool first = true;; first = false) {
        if (at >= pattern.size()) return malformed(unclosed, start);
        if (pattern[at] == ']' && !first) break;
        const std::size_t range_start = at;
        std::uint32_t low = 0;
        if (!bracket_character(pattern, at, low)) return malformed(unclosed, start);
        std::uint32_t high = low;
        // A '-' right before the ']' stands for itself.
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            ++at;
            if (!bracket_character(pattern, at, high)) return malformed(unclosed, start);
            if (high < low) return malformed(reversed, range_start);
        }
        found |= low <= value && value <= high;
    }
    return {at + 1 - start, found != negated, {}};
}

/// The step of the pattern at `at`, which is not a '*'.
Step step(std::string_view pattern, std::size_t at, std::uint32_t value) noexcept {
    switch (pattern[at]) {
        case '?':
            return {1, true, {}};
        case '[':
            return bracket_step(pattern, at, value);
        case '\\': {
            if (at + 1 == pattern.size()) return malformed(trailing, at);
            const Character c = character_at(pattern, at + 1);
            return {1 + c.size, c.value == value, {}};
        }
        default: {
            const Character c = character_at(pattern, at);
            return {c.size, c.value == value, {}};
        }
    }
}

}  // namespace

std::optional<GlobError> check_glob(std::string_view pattern) noexcept {
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '*') {
            ++at;
            continue;
        }
        const Step s = step(pattern, at, 0);
        if (s.size == 0) return s.error;
        at += s.size;
    }
    return std::nullopt;
}

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
    if (check_glob(pattern)) return false;
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        const Character c = character_at(text, t);
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
            continue;
        }
        if (p < pattern.size()) {
            const Step s = step(pattern, p, c.value);
            if (s.matches) {
                p += s.size;
                t += c.size;
                continue;
            }
        }
        if (star == std::string_view::npos) return false;
        p = star + 1;
        star_text += character_at(text, star_text).size;
        t = star_text;
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string glob_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '*' || c == '?' || c == '[' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::optional<std::string> glob_literal(std::string_view pattern) {
    std::string out;
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        const char c = pattern[at];
        if (c == '*' || c == '?' || c == '[') return std::nullopt;
        if (c == '\\' && ++at == pattern.size()) return std::nullopt;
        out += pattern[at];
    }
    // A character torn apart by a backslash is none in the pattern, but would be one in the text.
    if (!glob_match(pattern, out)) return std::nullopt;
    return out;
}

}  // namespace interlock::base
