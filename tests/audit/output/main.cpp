// main.cpp: of the tests of rules and reports.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_output
#include <boost/test/unit_test.hpp>
