// files.cpp: the entry point of the tests that read files of the source tree.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE manifests_files
#include <boost/test/unit_test.hpp>
