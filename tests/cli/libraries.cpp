// libraries.cpp: which library a name leads to: a module gets its own, and the audit the quick ones.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_libraries
#include <boost/test/unit_test.hpp>

#include "run_support.hpp"

using namespace interlock::test;

BOOST_AUTO_TEST_CASE(a_module_gets_its_own_functions_and_not_those_of_the_command) {
    const std::string expected = "[1000,1001,1002,1003,1004,1005,1006,1007,1008,1009,1010]";
    const Folder folder;
    const std::string file = folder.write("file", "");
    const Finished called = call_with_modules({"call", "own_libraries.ask"});
    CHECK_STATUS(called, 0);
    BOOST_TEST(called.out == expected + "\n");
    const Finished mapped = call_with_modules(run("own_libraries.ask", {"-q", file}));
    CHECK_STATUS(mapped, 0);
    BOOST_REQUIRE(results_of(mapped).size() == 1u);
    BOOST_TEST(results_of(mapped)[0].result.dump() == expected);
}

BOOST_AUTO_TEST_CASE(crc32_is_that_of_zlib) {
    // Unicorn exports one as well, which is slow.
    const Finished finished = call({"audit", "--no-progress", module_folder() + "/probe.so"},
                                   {{"LD_DEBUG", "bindings"}, {"LD_BIND_NOW", "1"}});
    CHECK_STATUS(finished, 0);
    std::size_t bindings = 0;
    for (const std::string& line : lines_of(finished.err)) {
        if (!contains(line, "normal symbol `crc32'")) continue;
        ++bindings;
        BOOST_TEST(contains(line.substr(line.find(" to ")), "/libz.so"), line);
    }
    BOOST_TEST(bindings != 0u);
}

BOOST_AUTO_TEST_CASE(the_other_program_may_lie_beside_and_is_named_when_it_is_missing) {
    const Folder folder;
    Command copied = command({"explain", "IL001"});
    const std::filesystem::path original = copied.program;
    copied.program = folder / "interlock";
    std::filesystem::copy_file(original, copied.program);
    const Finished alone = run_process(copied);
    CHECK_STATUS(alone, 3);
    BOOST_TEST(alone.out == "");
    CHECK_CONTAINS(alone.err, "interlock: error: cannot run '");
    CHECK_CONTAINS(alone.err,
                   "interlock-audit', the part of the command that this verb is in: No such file or directory; "
                   "install the command as a whole\n");
    std::filesystem::create_symlink(original.parent_path() / "../libexec/interlock/interlock-audit",
                                    folder / "interlock-audit");
    const Finished beside = run_process(copied);
    CHECK_STATUS(beside, 0);
    BOOST_TEST(beside.out == call({"explain", "IL001"}).out);
}
