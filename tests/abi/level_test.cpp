// level_test.cpp: the names of threading levels, which are in markers.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE level
#include <boost/test/unit_test.hpp>
#include <string_view>

#include <interlock/level.hpp>

using namespace interlock;

BOOST_AUTO_TEST_CASE(levels_have_the_names_that_modules_write) {
    BOOST_TEST(level_name(ThreadingLevel::global_lock) == "global_lock");
    BOOST_TEST(level_name(ThreadingLevel::module_lock) == "module_lock");
    BOOST_TEST(level_name(ThreadingLevel::free) == "free");
    for (auto level : {ThreadingLevel::global_lock, ThreadingLevel::module_lock, ThreadingLevel::free}) {
        BOOST_TEST((level_from_name(level_name(level)) == level));
    }
    BOOST_TEST((ThreadingLevel::global_lock < ThreadingLevel::module_lock));
    BOOST_TEST((ThreadingLevel::module_lock < ThreadingLevel::free));
}

BOOST_AUTO_TEST_CASE(nothing_else_is_a_level) {
    for (const char* name : {"", "Free", "FREE", "free ", " free", "fre", "freee", "unmarked", "none", "2"}) {
        BOOST_TEST(!level_from_name(name).has_value());
    }
    BOOST_TEST(!level_from_name(std::string_view("free\0", 5)).has_value());
}

BOOST_AUTO_TEST_CASE(a_value_that_is_no_level_reads_as_the_careful_one) {
    BOOST_TEST(level_name(static_cast<ThreadingLevel>(9)) == "global_lock");
}
