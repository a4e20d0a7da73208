// Modules behind their own lock: one caller at a time, no deadlock whatever they call, and the others run on.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_module_lock
#include <boost/test/unit_test.hpp>

#include <thread>

#include "lab.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr int crowd = 6, rounds = 300;

std::int64_t checked(const Module& module) {
    return module.function("checked").value()({}).value().get<std::int64_t>();
}

/// One thread does `away` in the module until it tells `event`, and then waits for another one to have been inside:
/// without the lock given up this never ends.
void others_come_in(Lab& lab, const Module& module, const std::string& away, const std::string& event) {
    HeldUp there(event);
    Events::all().on("inside", [&] {
        there.release();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(lab.run(module, away + ";alone back").ok()); });
    there.wait();
    BOOST_TEST(lab.run(module, "alone inside").ok());
    threads.join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(never_two_threads_inside) {
    Lab lab;
    const Module module = lab.import("lock1");
    const std::int64_t before = checked(module);
    std::atomic<int> failures{0};
    Threads threads;
    threads.start(crowd, [&](int) {
        for (int i = 0; i < rounds; ++i) failures += !lab.run(module, "alone working").ok();
    });
    threads.join();
    BOOST_TEST(failures.load() == 0);
    BOOST_TEST(checked(module) == before + crowd * rounds);
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
    const ModuleStats stats = lab.stats("lock1");
    BOOST_TEST(stats.calls_none == 0u);
    BOOST_TEST(stats.calls_module_lock == 1u + 2u + crowd * rounds);  // exec, checked twice
}

BOOST_AUTO_TEST_CASE(the_lock_holds_in_locked_mode_too) {
    Lab lab;
    const Module module = lab.import("lock1");
    lab.import("unm1");
    const std::int64_t before = checked(module);
    Threads threads;
    // In detached mode nobody holds the global lock, but `alone` is not detached: the module's lock is for those.
    threads.start(crowd, [&](int) {
        for (int i = 0; i < 50; ++i) must(lab.run(module, "alone working;detached outside;alone working").ok());
    });
    threads.join();
    BOOST_TEST(checked(module) == before + 2 * crowd * 50);
    BOOST_TEST(lab.stats("lock1").calls_global_lock == 2u + crowd * 50u);
}

BOOST_AUTO_TEST_CASE(two_modules_that_call_each_other_from_two_threads) {
    Lab lab;
    const Module first = lab.import("lock1"), second = lab.import("lock2");
    // Each thread is inside one module before either calls the other one.
    std::latch both(2);
    Events::all().on("met", [&] {
        both.arrive_and_wait();
        return 0;
    });
    Threads threads;
    threads.start(2, [&](int i) {
        const Module& own = i == 0 ? first : second;
        const std::string other = i == 0 ? "lock2" : "lock1";
        must(lab.run(own, "observe met;call " + other + " run alone there").ok());
    });
    threads.join();
    BOOST_TEST(Events::all().count("there") == 2u);
}

BOOST_AUTO_TEST_CASE(many_threads_that_call_back_and_forth) {
    Lab lab;
    const Module first = lab.import("lock1"), second = lab.import("lock2");
    const std::int64_t before[] = {checked(first), checked(second)};
    Threads threads;
    threads.start(4, [&](int i) {
        const Module& own = i % 2 == 0 ? first : second;
        const std::string here = i % 2 == 0 ? "lock1" : "lock2", there = i % 2 == 0 ? "lock2" : "lock1";
        for (int round = 0; round < 100; ++round)
            must(lab.run(own, "alone a;call " + there + " run alone b,call " + here + " checked,alone c;alone d").ok());
    });
    threads.join();
    BOOST_TEST(checked(first) == before[0] + 4 * 200);
    BOOST_TEST(checked(second) == before[1] + 4 * 200);
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_module_that_calls_itself) {
    Lab lab;
    const Module module = lab.import("lock1");
    BOOST_TEST(lab.run(module, "alone a;call lock1 run alone b,call lock1 count;alone c").ok());
    BOOST_TEST(module.function("count").value()({}).value().get<std::int64_t>() == 2);
}

BOOST_AUTO_TEST_CASE(the_lock_is_given_up_while_detached) {
    Lab lab;
    const Module module = lab.import("lock1");
    others_come_in(lab, module, "detached detached", "detached");
    BOOST_TEST(Events::all().count("back") == 1u);
}

BOOST_AUTO_TEST_CASE(the_lock_is_given_up_while_another_module_runs) {
    Lab lab;
    const Module module = lab.import("lock1");
    lab.import("free1");
    others_come_in(lab, module, "call free1 run observe away", "away");
}

BOOST_AUTO_TEST_CASE(the_lock_is_given_up_during_an_import) {
    Lab lab;
    const Module module = lab.import("lock1");
    others_come_in(lab, module, "import free1", "free1:exec");
}

BOOST_AUTO_TEST_CASE(others_run_on_while_the_lock_is_held) {
    Lab lab;
    const Module locked = lab.import("lock1"), free = lab.import("free1"), second = lab.import("lock2");
    Visitor visitor(locked, "alone held", "held");
    BOOST_TEST(lab.run(free, "observe free").ok());
    BOOST_TEST(lab.run(second, "alone second").ok());
    visitor.release();
    BOOST_TEST(visitor.result->ok());
}

BOOST_AUTO_TEST_CASE(a_thread_that_waits_for_the_lock_does_not_hold_up_a_switch) {
    Lab lab;
    const Module locked = lab.import("lock1");
    Visitor visitor(locked, "detached held", "held");
    Threads threads;
    threads.start(3, [&](int) { must(lab.run(locked, "alone working").ok()); });
    BOOST_TEST(lab.import("unm1").loaded());
    visitor.release();
    threads.join();
    BOOST_TEST(visitor.result->ok());
}

BOOST_AUTO_TEST_CASE(results_in_static_storage_are_taken_under_the_lock) {
    for (const std::string name : {"lock1", "unm1"}) {
        Lab lab;
        const Function shout = lab.import(name).function("shout").value();
        std::atomic<int> wrong{0};
        Threads threads;
        threads.start(4, [&](int i) {
            const std::string text(1000 + static_cast<std::size_t>(i), static_cast<char>('a' + i));
            const std::string expected(text.size(), static_cast<char>('A' + i));
            Scope scope;
            for (int round = 0; round < rounds; ++round) {
                wrong += shout({text}).value().get<std::string>() != expected;
                const il_value arg = il_text(text.data(), text.size());
                il_value result;
                wrong += shout.call(scope, {&arg, 1}, result) != IL_OK ||
                         std::string_view(result.as.string.data, result.as.string.size) != expected;
                scope.reset();
            }
        });
        threads.join();
        BOOST_TEST(wrong.load() == 0);
    }
}
