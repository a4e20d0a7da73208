// Two copies of the library in one process: the second Runtime is refused, whichever copy has the first.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_copies
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>

#include <memory>
#include <string>

#include <interlock/runtime.hpp>

using namespace interlock;

namespace {

const std::string advice =
    "; the two would know nothing of each other's threads and modules, so link the program and its "
    "plugins with one libinterlock.so, and none of them with the static library";
const std::string other = "another copy of libinterlock has a Runtime in this process: ";

struct SecondCopy {
    SecondCopy() : library(dlopen(SECOND_COPY, RTLD_NOW | RTLD_LOCAL)) { BOOST_REQUIRE(library != nullptr); }
    ~SecondCopy() { end(); }  // stays mapped: oneTBB's threads may be in it
    std::string begin() const { return reinterpret_cast<const char* (*)()>(dlsym(library, "second_copy_begin"))(); }
    void end() const { reinterpret_cast<void (*)()>(dlsym(library, "second_copy_end"))(); }
    void* library;
};

std::string begin_own(std::unique_ptr<Runtime>& runtime) {
    try {
        runtime = std::make_unique<Runtime>(RuntimeOptions{.threads = 1});
    } catch (const Failure& failure) {
        BOOST_TEST((failure.error().code == Errc::wrong_state));
        return failure.error().message;
    }
    return "";
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_copy_at_a_time) {
    const SecondCopy copy;
    std::unique_ptr<Runtime> own;
    for (int round = 0; round < 2; ++round) {
        BOOST_TEST(begin_own(own) == "");
        BOOST_TEST(copy.begin() == other + "'the program itself'" + advice);
        BOOST_TEST((Runtime::current() == own.get()));
        own.reset();
        BOOST_TEST(copy.begin() == "");
        BOOST_TEST(begin_own(own) == other + "'" SECOND_COPY "'" + advice);
        BOOST_TEST((Runtime::current() == nullptr));
        copy.end();
    }
}
