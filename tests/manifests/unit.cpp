// unit.cpp: the entry point of the unit tests of manifests/.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE manifests_unit
#include <boost/test/unit_test.hpp>
