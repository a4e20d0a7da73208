// exit() in a program whose Runtime and Loader are static, wherever it is called: the program ends with that status.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_exit
#include <boost/test/unit_test.hpp>

#include "support/process.hpp"

using namespace interlock::test;

BOOST_AUTO_TEST_CASE(exit_in_the_middle) {
    struct Row {
        const char *place, *inside;
        bool torn_down;
        int status = 3;
    };
    const Row rows[] = {
        {"nowhere", "", true, 0},
        {"attached", "", true},
        {"loop", "", true},
        {"free1:constructor", "function '(import)' of module 'free1'", false},
        {"free1:exec", "function '(exec)' of module 'free1'", false},
        {"call", "function 'run' of module 'free1'", false},
        {"block", "function 'run' of module 'free1'", false},
        {"body", "function 'run' of module 'free1'", false},
    };
    for (const Row& row : rows) {
        const Finished finished = run_process({.program = EXIT_HOST, .arguments = {MODULE_DIRECTORY, row.place}});
        BOOST_TEST(finished.status == row.status, row.place << ": " << finished.err);
        const std::string expected =
            std::string("interlock: exit() was called inside ") + row.inside + ", so no module is torn down\n";
        BOOST_TEST(finished.err == (row.torn_down ? "" : expected), row.place);
        BOOST_TEST((finished.out.find("free1:teardown\n") != std::string::npos) == row.torn_down, row.place);
    }
}
