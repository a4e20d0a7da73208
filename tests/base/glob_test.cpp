// glob_test.cpp: the pattern language, by tables.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "base/glob.hpp"

namespace interlock::base {
namespace {

BOOST_AUTO_TEST_SUITE(glob)

BOOST_AUTO_TEST_CASE(matching) {
    const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"legacy.tok", "legacy.tok", true},
        {"legacy.tok", "legacy_tok", false},
        {"legacy.tok", "legacy.tok2", false},
        {"Legacy", "legacy", false},
        {"*", "", true},
        {"*", "a.b/c", true},
        {"legacy.*", "legacy.", true},
        {"legacy.*", "legacy.a.b", true},
        {"legacy.*", "legacy", false},
        {"*.so", "libx.so", true},
        {"*.so", "libx.so.1", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "aXcYb", false},
        {"a*b*c", "abbbcbc", true},
        {"**a**", "bab", true},
        {"*ab", "aab", true},
        {"*?", "", false},
        {"?*?", "ab", true},
        {"?*?", "a", false},
        {"?", "", false},
        {"?", "\xc3\xa9", true},  // one character of two bytes
        {"??", "\xc3\xa9", false},
        {"?", "\xf0\x9f\x98\x80", true},
        {"?", "\xff", true},  // a byte that is no UTF-8
        {"??", "\xc3\x28", true},
        {"\xff", "\xff", true},
        {"\xff", "\xfe", false},
        {"[a-c]", "b", true},
        {"[a-c]", "d", false},
        {"[a-cx]", "x", true},
        {"[!a-c]", "d", true},
        {"[!a-c]", "b", false},
        {"[!a]", "", false},
        {"[^a]", "^", true},  // only '!' negates
        {"[^a]", "b", false},
        {"[a!]", "!", true},
        {"[]]", "]", true},
        {"[]a]", "a", true},
        {"[!]]", "]", false},
        {"[!]]", "a", true},
        {"[!!]", "!", false},
        {"[-a]", "-", true},
        {"[a-]", "-", true},
        {"[a-]", "b", false},
        {"[a\\-c]", "b", false},
        {"[a\\-c]", "-", true},
        {"[\\]]", "]", true},
        {"[\\!a]", "!", true},
        {"[[]", "[", true},
        {"[*]", "*", true},
        {"[*]", "a", false},
        {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
        {"[\xc3\xa0-\xc3\xbf]", "\xc3", false},
        {"]", "]", true},
        {"a]b", "a]b", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\a", "a", true},
        {"\\\\", "\\", true},
        {"\\[a]", "[a]", true},
        {"\\\xc3\xa9", "\xc3\xa9", true},
        {"[", "[", false},  // malformed ones match nothing
        {"a[", "a", false},
        {"*[", "x", false},
        {"\\", "\\", false},
    };
    for (const auto& row : rows) {
        BOOST_TEST(glob_match(row.pattern, row.text) == row.matches, row.pattern << " on " << row.text);
    }
}

BOOST_AUTO_TEST_CASE(zero_bytes_are_ordinary) {
    using namespace std::string_view_literals;
    BOOST_TEST(glob_match("a?b"sv, "a\0b"sv));
    BOOST_TEST(!glob_match("a"sv, "a\0b"sv));
    BOOST_TEST(glob_match("a\0*"sv, "a\0b"sv));
}

BOOST_AUTO_TEST_CASE(effort_is_bounded) {
    // A matcher that retries every '*' would need more than 10^40 steps for this.
    std::string pattern;
    for (int i = 0; i < 40; ++i) pattern += "a*";
    const std::string text(4000, 'a');
    BOOST_TEST(glob_match(pattern, text));
    BOOST_TEST(!glob_match(pattern + 'b', text));
}

BOOST_AUTO_TEST_CASE(errors_and_their_places) {
    const struct {
        const char* pattern;
        int offset;  // -1: well-formed
        const char* what;
    } rows[] = {
        {"", -1, ""},
        {"a*?[b]]", -1, ""},
        {"[", 0, "'[' without a ']' behind it"},
        {"abc[", 3, "'[' without a ']' behind it"},
        {"[]", 0, "'[' without a ']' behind it"},
        {"[!]", 0, "'[' without a ']' behind it"},
        {"[a][b", 3, "'[' without a ']' behind it"},
        {"[a\\", 0, "'[' without a ']' behind it"},
        {"[a\\]", 0, "'[' without a ']' behind it"},
        {"[a-", 0, "'[' without a ']' behind it"},
        {"[a-\\", 0, "'[' without a ']' behind it"},
        {"ab\\", 2, "a backslash at the end"},
        {"\\\\\\", 2, "a backslash at the end"},
        {"x[bz-a]", 3, "a range whose end comes before its start"},
        {"\xc3\xa9[", 2, "'[' without a ']' behind it"},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.pattern) {
            const auto error = check_glob(row.pattern);
            BOOST_TEST(error.has_value() == (row.offset >= 0));
            if (!error) continue;
            BOOST_TEST(static_cast<int>(error->offset) == row.offset);
            BOOST_TEST(error->what == row.what);
            BOOST_TEST(!error->hint.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(escaping_and_literals) {
    for (const std::string text : {"", "plain.name", "*?[a-z]\\", "[", "]", "\xc3\xa9", "\xff"}) {
        const std::string pattern = glob_escape(text);
        BOOST_TEST(glob_match(pattern, text));
        BOOST_TEST(!glob_match(pattern, text + 'x'));
        BOOST_TEST((glob_literal(pattern) == text));
    }
    for (const char* pattern : {"*", "a?", "[a]", "\\", "\xc3\\\xa9"}) BOOST_TEST(!glob_literal(pattern).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::base
