// python_names_test.cpp: names of distributions, and the versions in tags of files and wheels.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "base/distribution_name.hpp"
#include "base/python_tag.hpp"

using namespace interlock::base;

BOOST_AUTO_TEST_SUITE(python_names)

BOOST_AUTO_TEST_CASE(names_of_distributions_are_compared_as_indexes_do) {
    for (const char* name : {"foo-bar-baz", "Foo.Bar_baz", "foo__bar-.baz", "FOO-BAR-BAZ"})
        BOOST_TEST(normalized_distribution_name(name) == "foo-bar-baz", name);
    BOOST_TEST(normalized_distribution_name("") == "");
    BOOST_TEST(normalized_distribution_name("_x_") == "-x-");
}

BOOST_AUTO_TEST_CASE(versions_of_tags) {
    const struct {
        const char* text;
        unsigned major, minor;
        bool free_threaded;
    } rows[] = {{"313", 3, 13, false}, {"313t", 3, 13, true}, {"314td", 3, 14, true},
                {"38", 3, 8, false},   {"27mu", 2, 7, false}, {"3100", 3, 100, false}};
    for (const auto& row : rows) {
        const auto tag = read_python_tag(row.text);
        BOOST_REQUIRE_MESSAGE(tag, row.text);
        BOOST_TEST(tag->major == row.major, row.text);
        BOOST_TEST(tag->minor == row.minor, row.text);
        BOOST_TEST(tag->free_threaded == row.free_threaded, row.text);
    }
    for (const char* text : {"", "3", "t", "413", "313x", "31300", "x313", "313t-linux"})
        BOOST_TEST(!read_python_tag(text), text);
}

BOOST_AUTO_TEST_CASE(empty_parts_are_parts) {
    using Parts = std::vector<std::string_view>;
    BOOST_TEST(split("a.b..c", '.') == (Parts{"a", "b", "", "c"}), boost::test_tools::per_element());
    BOOST_TEST(split("", '.') == Parts{""}, boost::test_tools::per_element());
    BOOST_TEST(split(".", '.') == (Parts{"", ""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
