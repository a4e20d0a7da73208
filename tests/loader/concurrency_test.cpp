// Several threads that import at the same time: once is enough, errors reach everybody, circles end.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_concurrency
#include <boost/test/unit_test.hpp>

#include <pthread.h>

#include <thread>

#include "lab.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr int crowd = 8;

/// Yields until `importers` threads wait for an import; there is no other sign of them than the runtime's count of
/// threads that are not attached, so this only raises the chance of the interesting order, never the outcome.
void let_others_run() {
    for (int i = 0; i < 200; ++i) std::this_thread::yield();
}

}  // namespace

BOOST_AUTO_TEST_CASE(eight_threads_import_the_same_module_once) {
    for (const std::string name : {"free1", "lock1", "unm1", "legacy1"}) {
        Lab lab;
        std::atomic<int> counted{0};
        Threads threads;
        threads.start(crowd, [&](int) {
            const Module module = lab.import(name);
            counted += static_cast<int>(module.function("count").value()({}).ok());
        });
        threads.join();
        BOOST_TEST(counted.load() == crowd);
        BOOST_TEST(Events::all().count(name + ":constructor") == (name == "legacy1" ? 1u : 1u));
        BOOST_TEST(lab.import(name).function("count").value()({}).value().get<std::int64_t>() == crowd + 1);
        BOOST_TEST(lab.loader.report().modules.size() == 1u);
        BOOST_TEST(lab.warnings().size() == (name == "unm1" || name == "legacy1" ? 1u : 0u));
    }
}

BOOST_AUTO_TEST_CASE(all_who_wait_get_the_error_and_a_later_import_tries_again) {
    Lab lab;
    std::atomic<int> arrived{0}, errors{0}, attempts{0};
    Events::all().on("free1:exec", [&]() -> int {
        const int attempt = ++attempts;
        if (attempt > 1) return IL_OK;
        while (arrived.load() != crowd) std::this_thread::yield();
        let_others_run();
        return IL_ERROR_FAILED;
    });
    Threads threads;
    threads.start(crowd, [&](int) {
        ++arrived;
        const auto result = lab.loader.import("free1");
        if (!result && result.error().code == Errc::exec_failed) ++errors;
    });
    threads.join();
    // Who came after the failure has tried again, with success.
    BOOST_TEST(errors.load() >= 1);
    BOOST_TEST(attempts.load() == (errors.load() == crowd ? 1 : 2));
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(who_is_cancelled_while_it_waits_gets_the_module_and_ends_afterwards) {
    Lab lab;
    Event in_exec, go_on, ready, cancelled;
    Events::all().on("free1:exec", [&] {
        in_exec.set();
        const Detached outside;
        go_on.wait();
        return 0;
    });
    Threads threads;
    threads.start([&] { lab.import("free1"); });
    in_exec.wait();
    // The request is there before the wait begins, so that a wait that heeds it ends at once. The thread is in the
    // middle of an import of its own, through which others look.
    int before = 0;
    Events::all().on("free2:exec", [&] {
        ready.set();
        cancelled.wait();
        pthread_setcancelstate(before, nullptr);
        return 0;
    });
    Events::all().script("free2:exec", "import free1;observe has it");
    std::atomic<bool> got_it{false}, went_on{false};
    std::thread waiter([&] {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        got_it = lab.import("free2").loaded();
        pthread_testcancel();
        went_on = true;
    });
    ready.wait();
    BOOST_REQUIRE_EQUAL(pthread_cancel(waiter.native_handle()), 0);
    cancelled.set();
    let_others_run();
    threads.start([&] { lab.import("free1"); });
    let_others_run();
    go_on.set();
    waiter.join();
    threads.join();
    BOOST_TEST(Events::all().count("has it") == 1u);
    BOOST_TEST(got_it.load());
    BOOST_TEST(!went_on.load());
}

BOOST_AUTO_TEST_CASE(different_modules_are_imported_at_the_same_time) {
    Lab lab;
    // Each exec waits for the other one: this ends only if none waits for the other's import.
    std::latch both(2);
    const auto meet = [&] {
        both.arrive_and_wait();
        return 0;
    };
    Events::all().on("free1:exec", meet);
    Events::all().on("lock1:exec", meet);
    Threads threads;
    threads.start([&] { lab.import("free1"); });
    threads.start([&] { lab.import("lock1"); });
    threads.join();
    BOOST_TEST(lab.loader.modules().size() == 2u);
}

BOOST_AUTO_TEST_CASE(two_unmarked_modules_at_once_from_two_threads) {
    Lab lab;
    Threads threads;
    threads.start(2, [&](int i) { lab.import(i == 0 ? "unm1" : "unm2"); });
    threads.join();
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 2u);
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 1u);
    Texts warned = lab.warned_modules();
    std::sort(warned.begin(), warned.end());
    BOOST_TEST(warned == (Texts{"unm1", "unm2"}), boost::test_tools::per_element());
    BOOST_TEST(lab.loader.unload("unm1").ok());
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.unload("unm2").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_module_that_imports_itself_gets_itself) {
    Lab lab;
    Events::all().script("free1:exec", "import free1;call free1 count");
    const Module module = lab.import("free1");
    BOOST_TEST(module.function("count").value()({}).value().get<std::int64_t>() == 2);
    BOOST_TEST(Events::all().count("free1:exec") == 1u);
    BOOST_TEST(lab.loader.unload("free1").ok());
}

BOOST_AUTO_TEST_CASE(a_circle_in_one_thread_gives_the_partial_module) {
    Lab lab;
    Events::all().script("free1:exec", "import free2;observe free1 done");
    Events::all().script("free2:exec", "call free1 run observe partial");
    lab.import("free1");
    BOOST_TEST(Events::all().told() ==
                   (Texts{"free1:constructor parallel", "free1:exec parallel", "free2:constructor parallel",
                          "free2:exec parallel", "partial parallel", "free1 done parallel"}),
               boost::test_tools::per_element());
    // Each depends on the other: neither can go alone, both go with the loader.
    BOOST_TEST((lab.loader.unload("free1").error().code == Errc::in_use));
    BOOST_TEST((lab.loader.unload("free2").error().code == Errc::in_use));
}

BOOST_AUTO_TEST_CASE(a_legacy_module_in_a_circle_is_partial_as_soon_as_it_is_created) {
    Lab lab;
    Events::all().script("legacy1:init", "import free1");
    Events::all().script("free1:exec", "call legacy1 run observe partial");
    lab.import("legacy1");
    BOOST_TEST(Events::all().count("partial") == 1u);
}

BOOST_AUTO_TEST_CASE(a_circle_through_two_threads_ends) {
    Lab lab;
    // Both are in exec before either imports the other, so that both directions are under way.
    std::latch both(2);
    const auto meet = [&] {
        both.arrive_and_wait();
        return 0;
    };
    Events::all().on("free1:exec", meet);
    Events::all().on("free2:exec", meet);
    Events::all().script("free1:exec", "call free2 run observe in free2");
    Events::all().script("free2:exec", "call free1 run observe in free1");
    Threads threads;
    threads.start([&] { lab.import("free1"); });
    threads.start([&] { lab.import("free2"); });
    threads.join();
    BOOST_TEST(lab.loader.modules().size() == 2u);
    BOOST_TEST(Events::all().count("in free1") == 1u);
    BOOST_TEST(Events::all().count("in free2") == 1u);
}

BOOST_AUTO_TEST_CASE(a_circle_of_three_threads_ends) {
    for (int round = 0; round < 20; ++round) {
        Lab lab;
        std::latch all(3);
        const std::string names[] = {"free1", "free2", "free3"};
        for (int i = 0; i < 3; ++i) {
            Events::all().on(names[i] + ":exec", [&] {
                all.arrive_and_wait();
                return 0;
            });
            Events::all().script(names[i] + ":exec", "import " + names[(i + 1) % 3]);
        }
        Threads threads;
        threads.start(3, [&](int i) { lab.import(names[i]); });
        threads.join();
        BOOST_TEST(lab.loader.modules().size() == 3u);
    }
}

BOOST_AUTO_TEST_CASE(the_partial_half_of_a_circle_that_fails_is_dead_and_not_dangling) {
    Lab lab;
    Events::all().script("free1:exec", "import free2;fail after all");
    Events::all().script("free2:exec", "import free1");
    BOOST_TEST((lab.failure("free1") == Errc::exec_failed));
    // free2 holds a reference to the free1 that never came to be; its own import was a success.
    const Module second = lab.import("free2");
    Events::all().clear();
    BOOST_TEST(lab.run(second, "call free1 count").ok());
    BOOST_TEST(lab.import("free1").loaded());
    BOOST_TEST(lab.loader.unload("free2").ok());
    BOOST_TEST(lab.loader.unload("free1").ok());
}

BOOST_AUTO_TEST_CASE(who_is_inside_a_partial_module_does_not_wait_for_its_import) {
    Lab lab;
    Event inside;
    Threads threads;
    // free1's import waits for free2's. Then a third thread enters the partial free1, and imports it from inside, while
    // the import fails, which waits until the thread has left.
    Events::all().script("free1:exec", "import free2;observe leave;fail after all");
    Events::all().script("free2:exec", "call free1 run observe enter");
    std::optional<Function> run_of_first;
    Events::all().on("enter", [&] {
        // On the thread that is inside: both modules are being imported by it.
        run_of_first = lab.loader.import("free1").value().function("run").value();
        return 0;
    });
    std::optional<Result<Value>> late;
    Events::all().on("leave", [&] {
        threads.start([&] { late = (*run_of_first)({"observe held;import free1"}); });
        inside.wait();
        return 0;
    });
    Events::all().on("held", [&] {
        inside.set();
        let_others_run();
        return 0;
    });
    BOOST_TEST((lab.failure("free1") == Errc::exec_failed));
    threads.join();
    BOOST_REQUIRE(late.has_value());
    // It gets what it is inside of, or, if it asks late, the error; in no case does it wait.
    BOOST_TEST((late->ok() || late->error().message.ends_with("its exec function failed: after all")), why(*late));
    // Now it is closed.
    const auto closed = (*run_of_first)({"observe again"});
    BOOST_REQUIRE(!closed.ok());
    BOOST_TEST((closed.error().code == Errc::unloaded));
}

BOOST_AUTO_TEST_CASE(an_import_at_run_time_knows_its_chain) {
    Lab lab;
    const Module first = lab.import("free1");
    const auto line = std::to_string(__LINE__ + 1);
    const Module second = lab.loader.import("free2").value();
    BOOST_TEST(lab.run(first, "call free2 run import unm1").ok());
    const Texts chain{"free2, run", std::string(__FILE__) + ":" + line + " (" + __func__ + ")"};
    Texts imported_by = lab.stats("unm1").imported_by;
    BOOST_REQUIRE(imported_by.size() == 2u);
    BOOST_TEST(imported_by[0] == "free2, run");
    BOOST_TEST(imported_by[1].starts_with(std::string(__FILE__) + ":" + line + " ("), imported_by[1]);
    BOOST_TEST(second.loaded());
}

BOOST_AUTO_TEST_CASE(the_chain_goes_through_nested_imports) {
    Lab lab;
    Events::all().script("free1:exec", "import free2");
    Events::all().script("free2:exec", "import unm1");
    lab.import("free1");
    const Texts chain{"free2, (exec)", "free1, (exec)", "the test"};
    BOOST_TEST(lab.stats("unm1").imported_by == chain, boost::test_tools::per_element());
    const std::vector<Warning> warnings = lab.warnings();
    BOOST_REQUIRE(warnings.size() == 1u);
    Texts warned;
    for (const WarningDetail& detail : warnings[0].details)
        if (detail.label == "imported by") warned.push_back(detail.text);
    BOOST_TEST(warned == chain, boost::test_tools::per_element());
    BOOST_REQUIRE(lab.loader.report().fallbacks.size() == 1u);
    BOOST_TEST(lab.loader.report().fallbacks[0].imported_by == chain, boost::test_tools::per_element());
}
