// columns_test.cpp: rows line up by what a terminal shows, and one long cell does not spoil all of them.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <string>

#include "base/columns.hpp"

using namespace interlock::base;

BOOST_AUTO_TEST_SUITE(columns)

BOOST_AUTO_TEST_CASE(columns_are_as_wide_as_needed_and_nothing_trails) {
    Columns table({"A", "LONGER"});
    table.add_texts({"one", ""});
    table.add_texts({"\u00e4\u4e2d", "x"});  // one column, and two
    BOOST_TEST(table.text(0, false) == "A    LONGER\none\n\u00e4\u4e2d  x\n");
    BOOST_TEST(table.text(2, false) == "  A    LONGER\n  one\n  \u00e4\u4e2d  x\n");
}

BOOST_AUTO_TEST_CASE(colours_take_no_width) {
    Columns table({"A", "B"});
    table.add({Columns::Cell{"x", Style::red}, Columns::Cell{"y"}});
    BOOST_TEST(table.text(0, true) == "\033[1mA  B\033[0m\n\033[1;31mx\033[0m  y\n");
    BOOST_TEST(styled(true, Style::plain, "x") == "x");
    BOOST_TEST(styled(false, Style::red, "x") == "x");
}

BOOST_AUTO_TEST_CASE(of_a_cell_that_is_too_wide_the_end_is_shown_or_its_row_alone_is_out_of_line) {
    const std::string wide = std::string(300, 'a') + "end";
    Columns cut;
    cut.add({Columns::Cell{wide}, Columns::Cell{"x"}});
    cut.add({Columns::Cell{"b"}, Columns::Cell{"x"}});
    const std::string lines = cut.text(0, false);
    BOOST_TEST(lines.find("end  x\n") != lines.npos);
    BOOST_TEST(lines.find("b" + std::string(201, ' ') + "x\n") != lines.npos);
    Columns whole(Columns::Wide::whole);
    whole.add({Columns::Cell{wide}, Columns::Cell{"x"}});
    whole.add({Columns::Cell{"b"}, Columns::Cell{"x"}});
    BOOST_TEST(whole.text(0, false) == wide + "  x\nb" + std::string(201, ' ') + "x\n");
}

BOOST_AUTO_TEST_SUITE_END()
