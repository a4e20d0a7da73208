// An init function that is run once more, with other answers, meets nothing that its first run has left; nor does the
// next file.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_again
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "audit/image/fixture_files.hpp"
#include "emulation/init_run.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::emulation;
using namespace interlock::auditing::image;

namespace {

std::string says(InitRunner& runner, const std::string& name) {
    const auto file = test::file_bytes(std::filesystem::path(INTERLOCK_TEST_MODULES) / (name + ".so"));
    const auto images = read_images(file, name);
    const InitResult result = runner.run(images->front(), *images->front().find_export("PyInit_" + name),
                                         {.free_threaded = true, .minor = 13, .budget = 3'000'000});
    std::string text = result.failure;
    for (const auto& call : result.set_gil) text += "SetGIL " + std::to_string(call.value);
    for (const std::string& assumed : result.assumed) text += ", " + assumed;
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_is_left) {
    if (!has_emulator()) return;
    InitRunner runner;
    for (int i = 0; i < 3; ++i) BOOST_TEST(says(runner, "looks_back") == "SetGIL 1, getenv");
}
