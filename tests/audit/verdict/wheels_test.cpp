// What a wheel says of a file in it, of which nothing else says for which interpreters it is.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_wheels
#include <boost/test/unit_test.hpp>

#include <interlock/audit.hpp>

#include "audit/image/fixture_files.hpp"
#include "audit/inputs/archive_maker.hpp"

using namespace interlock;

namespace {

// A module whose init function cannot be followed, under a name without a tag.
ModuleAudit in_wheel(const std::string& tags, BinaryAudit& binary) {
    const auto bytes = test::fixture_bytes("elf-x86_64/init_loops.cpython-313t-x86_64-linux-gnu.so");
    const test::TemporaryFolder folder;
    const auto report = audit(folder.write("pack-1.0-" + tags + ".whl",
                                           test::zip({{"init_loops.so", std::string(bytes.begin(), bytes.end())}})));
    binary = report.binaries.at(0);
    return binary.modules.at(0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_wheel_for_interpreters_with_a_gil) {
    if (!has_emulator()) return;
    for (const char* tags : {"cp314-cp314-linux_x86_64", "cp310-abi3-linux_x86_64"}) BOOST_TEST_CONTEXT(tags) {
            BinaryAudit binary;
            const ModuleAudit module = in_wheel(tags, binary);
            BOOST_TEST(verdict_name(module.verdict) == "not_applicable");
            BOOST_TEST(confidence_name(module) == "probable");
            BOOST_TEST(abi_flavour_name(binary.abi) == "gil");
        }
}

BOOST_AUTO_TEST_CASE(a_wheel_that_others_may_get) {
    if (!has_emulator()) return;
    for (const char* tags : {"cp313-cp313t-linux_x86_64", "py3-none-linux_x86_64", "cp315-abi3.abi3t-linux_x86_64"})
        BOOST_TEST_CONTEXT(tags) {
            BinaryAudit binary;
            BOOST_TEST(verdict_name(in_wheel(tags, binary).verdict) == "undetermined");
        }
}
