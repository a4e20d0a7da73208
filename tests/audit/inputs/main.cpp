// main.cpp: the entry point of these tests.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_inputs
#include <boost/test/unit_test.hpp>
