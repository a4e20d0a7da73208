// auditor_test.cpp: Auditor, with the stand-in of whole_test.cpp for what judges a binary.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <interlock/auditor.hpp>

#include "audit/inputs/archive_maker.hpp"

namespace {

using namespace interlock;
using namespace interlock::test;

std::string name_of(Auditor& auditor, const std::string& file, std::string_view module) {
    const auto binaries = auditor.audit(file, module);
    return binaries ? binaries->at(0).modules.at(0).name : "error: " + binaries.error().message;
}

BOOST_AUTO_TEST_SUITE(auditor)

BOOST_AUTO_TEST_CASE(the_name_leads_to_the_place_in_the_package) {
    const TemporaryFolder folder;
    const std::string file = folder.write("_core.cpython-313t-x86_64-linux-gnu.so", library("good"));
    const std::string package = folder.write("__init__.so", library("good"));
    Auditor auditor;
    BOOST_TEST(name_of(auditor, file, "") == "_core.cpython-313t-x86_64-linux-gnu.so");
    BOOST_TEST(name_of(auditor, file, "_core") == "_core.cpython-313t-x86_64-linux-gnu.so");
    BOOST_TEST(name_of(auditor, file, "a.b._core") == "a/b/_core.cpython-313t-x86_64-linux-gnu.so");
    BOOST_TEST(name_of(auditor, package, "a.b") == "a/b/__init__.so");
}

BOOST_AUTO_TEST_CASE(a_file_that_kills_the_process_leaves_it_usable) {
    const TemporaryFolder folder;
    const std::string good = folder.write("good.so", library("good"));
    AuditOptions options;
    options.pythons = {{3, 14}};
    Auditor auditor(options);
    const auto dies = auditor.audit(folder.write("dies.so", library("dies when run")), "dies");
    BOOST_REQUIRE(dies.ok());
    BOOST_TEST(dies->at(0).modules.at(0).reason.find("was killed by signal 11") != std::string::npos);
    BOOST_TEST(!auditor.audit(folder.write("always.so", library("always dies")), "always").ok());
    BOOST_TEST(name_of(auditor, good, "good") == "good.so");
    BOOST_TEST(auditor.audit(good, "good")->at(0).modules.at(0).effects.size() == 1u);
    BOOST_TEST((auditor.audit(folder / "none.so", "none").error().code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(parent_and_child_of_a_fork_each_have_a_process) {
    const TemporaryFolder folder;
    const std::string file = folder.write("good.so", library("good"));
    Auditor auditor;
    BOOST_REQUIRE(name_of(auditor, file, "x.good") == "x/good.so");
    const pid_t child = ::fork();
    if (child == 0) {
        auditor.after_fork_in_child();
        for (int i = 0; i < 20; ++i)
            if (name_of(auditor, file, "child.good") != "child/good.so") ::_exit(1);
        ::_exit(0);
    }
    for (int i = 0; i < 20; ++i) BOOST_TEST(name_of(auditor, file, "parent.good") == "parent/good.so");
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    BOOST_TEST(name_of(auditor, file, "parent.good") == "parent/good.so");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
