// display_width.cpp: characters of which terminals show two columns or none, by their blocks in Unicode; the others
// take one. The C library's wcwidth() would need a locale.
//
// SPDX-License-Identifier: MIT
#include <interlock/display_width.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace interlock {
namespace {

struct Range {
    std::uint32_t first, last;
    std::size_t width;
};

// Blocks of Unicode's EastAsianWidth.txt that are wide as a whole, and the usual combining marks. Sorted.
constexpr std::array ranges{
    Range{0x300, 0x36f, 0},      // combining diacritical marks
    Range{0x1100, 0x115f, 2},    // Hangul Jamo, initial consonants
    Range{0x1ab0, 0x1aff, 0},    // combining marks, extended
    Range{0x1dc0, 0x1dff, 0},    // the same, supplement
    Range{0x200c, 0x200d, 0},    // joiners
    Range{0x20d0, 0x20ff, 0},    // combining marks for symbols
    Range{0x2e80, 0x303e, 2},    // CJK radicals and punctuation
    Range{0x3041, 0xa4cf, 2},    // kana to Yi
    Range{0xa960, 0xa97f, 2},    // Hangul Jamo, extended
    Range{0xac00, 0xd7a3, 2},    // Hangul syllables
    Range{0xf900, 0xfaff, 2},    // CJK compatibility ideographs
    Range{0xfe00, 0xfe0f, 0},    // variation selectors
    Range{0xfe20, 0xfe2f, 0},    // combining half marks
    Range{0xfe30, 0xfe6f, 2},    // CJK compatibility forms
    Range{0xff00, 0xff60, 2},    // full-width forms
    Range{0xffe0, 0xffe6, 2},    // full-width signs
    Range{0x16fe0, 0x18cff, 2},  // Tangut, Khitan
    Range{0x1b000, 0x1b2ff, 2},  // kana, supplement
    Range{0x1f300, 0x1f64f, 2},  // pictographs
    Range{0x1f680, 0x1f6ff, 2},  // transport
    Range{0x1f900, 0x1faff, 2},  // pictographs, supplement
    Range{0x20000, 0x3fffd, 2},  // further ideographs
};

std::size_t width_of(std::uint32_t c) noexcept {
    const auto range = std::ranges::lower_bound(ranges, c, {}, &Range::last);
    return range != ranges.end() && c >= range->first ? range->width : 1;
}

/// Takes one character off the front and returns its width. What is no UTF-8 counts byte by byte.
std::size_t take(std::string_view& text) noexcept {
    const auto lead = static_cast<std::uint8_t>(text[0]);
    const std::size_t size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t c = size == 1 ? lead : lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto byte = i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0U;
        if ((byte & 0xc0) != 0x80) {
            text.remove_prefix(1);
            return 1;
        }
        c = c << 6 | (byte & 0x3fU);
    }
    text.remove_prefix(size);
    return width_of(c);
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
    std::size_t width = 0;
    while (!text.empty()) width += take(text);
    return width;
}

std::string end_that_fits(std::string_view text, std::size_t width) {
    constexpr std::string_view dots = "...";
    std::size_t left = display_width(text);
    if (left <= width) return std::string(text);
    if (width <= dots.size()) return {};
    while (left > width - dots.size()) left -= take(text);
    return std::string(dots).append(text);
}

}  // namespace interlock
