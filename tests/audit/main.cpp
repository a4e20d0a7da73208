// main.cpp: the entry point of the tests of audit/.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit
#include <boost/test/unit_test.hpp>
