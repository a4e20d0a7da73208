// suggest_test.cpp: "did you mean".
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <array>

#include <interlock/suggest.hpp>

namespace interlock {
namespace {

BOOST_AUTO_TEST_SUITE(suggest)

BOOST_AUTO_TEST_CASE(nearest) {
    constexpr std::array<std::string_view, 6> known = {"free", "module_lock", "global_lock", "refuse", "x", "expires"};
    const struct {
        const char *word, *nearest;  // "": none
    } rows[] = {
        {"fre", "free"},
        {"freee", "free"},
        {"FREE", "free"},
        {"fere", "free"},
        {"module-lock", "module_lock"},
        {"modulelock", "module_lock"},
        {"moduel_lokc", "module_lock"},
        {"glbal_lck", "global_lock"},
        {"expire", "expires"},
        {"refused", "refuse"},
        {"", ""},
        {"y", ""},
        {"fr", ""},
        {"ffffree", ""},
        {"unrelated", ""},
        {"lock", ""},
    };
    for (const auto& row : rows) {
        BOOST_TEST(nearest_word(row.word, known).value_or("") == row.nearest, row.word);
    }
    BOOST_TEST(!nearest_word("free", {}).has_value());
}

BOOST_AUTO_TEST_CASE(first_of_equals) {
    constexpr std::array<std::string_view, 2> known = {"bat", "cat"};
    BOOST_TEST(nearest_word("rat", known).value() == "bat");
}

BOOST_AUTO_TEST_CASE(text) {
    constexpr std::array<std::string_view, 2> known = {"free", "refuse"};
    BOOST_TEST(did_you_mean("fre", known) == "did you mean 'free'?");
    BOOST_TEST(did_you_mean("nothing", known) == "known: free, refuse");
}

BOOST_AUTO_TEST_CASE(a_huge_word_costs_nothing) {
    constexpr std::array<std::string_view, 1> known = {"free"};
    BOOST_TEST(!nearest_word(std::string(10'000'000, 'f'), known).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock
