// How long an unloading waits, and that a timeout changes nothing.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_timeout
#include <boost/test/unit_test.hpp>

#include <thread>

#include "lab.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

using Milliseconds = std::chrono::milliseconds;

/// The message of an unloading that was not done as the module is in use.
std::string in_use(const Outcome& outcome) {
    BOOST_REQUIRE(!outcome.ok());
    BOOST_TEST((outcome.error().code == Errc::in_use));
    return outcome.error().message;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_timeout_leaves_the_module_loaded_and_its_gate_open) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        const Module module = lab.import(name);
        Visitor visitor(module, "detached stay", "stay");
        BOOST_TEST(in_use(lab.loader.unload(name, {.timeout = Milliseconds(5)})) ==
                   "module '" + name + "' was not unloaded: after 5 ms a call is still inside it; it stays loaded");
        BOOST_TEST(module.loaded());
        BOOST_TEST(lab.run(module, "observe works").ok());
        BOOST_TEST(lab.loader.find(name).ok());
        BOOST_TEST(lab.import(name).function("count").value()({}).ok());
        BOOST_TEST(Events::all().count(name + ":constructor") == 1u);
        BOOST_TEST(lab.parallel() == (name != "unm1"));
        visitor.release();
        BOOST_TEST(lab.loader.unload(name, {.timeout = Milliseconds(0)}).ok());
        BOOST_TEST(lab.parallel());
    }
}

BOOST_AUTO_TEST_CASE(a_timeout_that_is_as_long_as_can_be_waits) {
    for (const auto timeout : {Milliseconds::max(), Milliseconds(std::chrono::years(1)), Milliseconds::max() / 1000}) {
        Lab lab;
        const Module module = lab.import("free1");
        Visitor visitor(module, "observe inside", "inside");
        Threads threads;
        threads.start([&] {
            while (module.loaded()) std::this_thread::yield();  // until the gate is closed
            visitor.release();
        });
        BOOST_TEST(lab.loader.unload("free1", {.timeout = timeout}).ok());
        threads.join();
    }
}

BOOST_AUTO_TEST_CASE(a_timeout_of_any_sign_ends) {
    for (const auto timeout : {Milliseconds::min(), Milliseconds(-1), Milliseconds(0), Milliseconds(1)}) {
        Lab lab;
        const Module module = lab.import("free1");
        const Visitor visitor(module, "observe inside", "inside");
        const std::string why = in_use(lab.loader.unload("free1", {.timeout = timeout}));
        BOOST_TEST(why.find("a call is still inside it; it stays loaded") != std::string::npos, why);
        BOOST_TEST(module.loaded());
    }
}

BOOST_AUTO_TEST_CASE(a_timeout_counts_while_others_hold_the_global_lock) {
    Lab lab;
    const Module module = lab.import("unm1");
    AttachedThread holds_the_global_lock;
    const std::string why = in_use(lab.loader.unload("unm1", {.timeout = Milliseconds(5)}));
    BOOST_TEST(why.find("another thread still holds the global lock; it stays loaded") != std::string::npos, why);
    BOOST_TEST(module.loaded());
    holds_the_global_lock.release();
    BOOST_TEST(lab.run(module, "").ok());
    BOOST_TEST(lab.loader.unload("unm1", {.timeout = Milliseconds::max()}).ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_timeout_counts_while_the_module_is_being_imported) {
    Lab lab;
    HeldUp import("free1:exec");
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    import.wait();
    const std::string why = in_use(lab.loader.unload("free1", {.timeout = Milliseconds(5)}));
    import.release();
    threads.join();
    BOOST_TEST(why.find("another thread imports or unloads it") != std::string::npos, why);
}
