// escape_test.cpp: what escape() and quoted() do to hostile text.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>
#include <iomanip>
#include <string>
#include <string_view>

#include <interlock/display_width.hpp>
#include <interlock/escape.hpp>

using interlock::display_width;
using interlock::end_that_fits;
using interlock::escape;
using interlock::quoted;
using namespace std::string_view_literals;

namespace {

struct Row {
    std::string_view text, escaped;
};

constexpr Row rows[] = {
    {"", ""},
    {"plain text, 'quoted' and \"double\"", "plain text, 'quoted' and \"double\""},
    {"a\nb\tc\rd", R"(a\nb\tc\rd)"},
    {"\0\x01\x1b[31m\x7f"sv, R"(\x00\x01\x1b[31m\x7f)"},
    {R"(C:\new)", R"(C:\\new)"},
    {"Gr\u00fc\u00dfe \u4f60\u597d \U0001f600", "Gr\u00fc\u00dfe \u4f60\u597d \U0001f600"},
    {"\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629"},
    // Text direction, invisible characters, C1 controls.
    {"a\u202eb", R"(a\u{202e}b)"},
    {"a\u2066b\u2069", R"(a\u{2066}b\u{2069})"},
    {"\u200f\u061c\u200b", R"(\u{200f}\u{061c}\u{200b})"},
    {"\u2028\u2029", R"(\u{2028}\u{2029})"},
    {"\ufeff", R"(\u{feff})"},
    {"\xc2\x80\xc2\x9b", R"(\u{0080}\u{009b})"},
    {"\U000e0041", R"(\u{e0041})"},
    // Neighbours of the ranges above stay.
    {"\xc2\xa0\u061b\u200a\u200c\u200d\u2027\u202f\u205f\u2070",
     "\xc2\xa0\u061b\u200a\u200c\u200d\u2027\u202f\u205f\u2070"},
    // Invalid UTF-8: every byte on its own, and decoding goes on behind it.
    {"\xff\xfe", R"(\xff\xfe)"},
    {"\x80z", R"(\x80z)"},
    {"\xc3", R"(\xc3)"},
    {"\xc3z", R"(\xc3z)"},
    {"\xe2\x82", R"(\xe2\x82)"},
    {"\xf0\x9f\x98", R"(\xf0\x9f\x98)"},
    {"\xc0\xaf", R"(\xc0\xaf)"},                  // overlong slash
    {"\xe0\x80\xaf", R"(\xe0\x80\xaf)"},          // overlong, three bytes
    {"\xf0\x80\x80\xaf", R"(\xf0\x80\x80\xaf)"},  // overlong, four bytes
    {"\xed\xa0\x80", R"(\xed\xa0\x80)"},          // surrogate
    {"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"},  // beyond U+10FFFF
    {"\xf8\x88\x80\x80\x80", R"(\xf8\x88\x80\x80\x80)"},
    {"\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd"},  // the largest that stays
};

}  // namespace

BOOST_AUTO_TEST_CASE(text_is_shown_unambiguously) {
    for (const auto& row : rows) BOOST_TEST(escape(row.text) == row.escaped);
}

BOOST_AUTO_TEST_CASE(every_single_byte_gives_printable_output) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text(1, static_cast<char>(byte));
        for (const char c : escape(text)) BOOST_TEST((c >= 0x20 && c < 0x7f));
        const bool stays = byte >= 0x20 && byte < 0x7f && byte != '\\';
        BOOST_TEST((escape(text) == text) == stays);
    }
}

BOOST_AUTO_TEST_CASE(output_is_cut_at_the_limit_and_never_inside_a_unit) {
    BOOST_TEST(escape("abcdef", 6) == "abcdef");
    BOOST_TEST(escape("abcdef", 5) == "abcde...");
    BOOST_TEST(escape("abcdef", 0) == "...");
    BOOST_TEST(escape("", 0) == "");
    BOOST_TEST(escape("ab\n", 4) == "ab\\n");
    BOOST_TEST(escape("ab\n", 3) == "ab...");
    BOOST_TEST(escape("a\x01z", 4) == "a...");
    BOOST_TEST(escape("a\u4f60", 4) == "a\u4f60");
    BOOST_TEST(escape("a\u4f60", 3) == "a...");
    BOOST_TEST(escape(std::string(10'000, 'x')).size() == 403u);
    BOOST_TEST(escape(std::string(10'000, '\x01')).size() == 403u);
}

BOOST_AUTO_TEST_CASE(quotes_are_unambiguous) {
    BOOST_TEST(quoted("name") == "'name'");
    BOOST_TEST(quoted("") == "''");
    BOOST_TEST(quoted("it's") == R"('it\'s')");
    BOOST_TEST(quoted(R"(\')") == R"('\\\'')");
    BOOST_TEST(quoted("abcdef", 3) == "'abc...'");
    BOOST_TEST(quoted("ab'", 3) == "'ab...'");
}

// <iomanip> is included above: a std::string must not reach std::quoted by argument-dependent lookup.
BOOST_AUTO_TEST_CASE(quoted_takes_every_kind_of_string) {
    std::string variable = "a\n";
    const std::string constant = variable;
    const std::string expected = R"('a\n')";
    BOOST_TEST((quoted(variable) == expected));
    BOOST_TEST((quoted(constant) == expected));
    BOOST_TEST((quoted(std::string("a\n")) == expected));
    BOOST_TEST((quoted(std::string_view(variable)) == expected));
    BOOST_TEST((quoted(variable.c_str()) == expected));
    BOOST_TEST((quoted(variable, 1) == "'a...'"));
}

BOOST_AUTO_TEST_CASE(width_on_a_terminal) {
    BOOST_TEST(display_width("") == 0u);
    BOOST_TEST(display_width("abc") == 3u);
    BOOST_TEST(display_width("\u00e9\u0159") == 2u);
    BOOST_TEST(display_width("\u6a21\u5757") == 4u);
    BOOST_TEST(display_width("e\u0301") == 1u);
    BOOST_TEST(display_width("\U0001f600x") == 3u);
    BOOST_TEST(display_width("\xff\xe6") == 2u);  // no UTF-8
    BOOST_TEST(end_that_fits("abcdef", 6) == "abcdef");
    BOOST_TEST(end_that_fits("abcdef", 5) == "...ef");
    BOOST_TEST(end_that_fits("abc\u6a21\u5757", 6) == "...\u5757");
    BOOST_TEST(end_that_fits("abcdef", 3) == "");
}
