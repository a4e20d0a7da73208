// Parallel loops of modules, on the threads of the executor.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_executor
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "lab.hpp"
#include "support/why.hpp"

namespace interlock::detail {
extern const il_host host_table;
}

using namespace interlock;
using namespace interlock::test;

namespace {

std::int64_t checked(const Module& module) {
    return module.function("checked").value()({}).value().get<std::int64_t>();
}

}  // namespace

BOOST_AUTO_TEST_CASE(pieces_run_on_several_threads_behind_the_gate_of_the_module) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        const Module module = lab.import(name);
        const std::int64_t before = checked(module);
        const ModuleStats first = lab.stats(name);
        BOOST_TEST(lab.run(module, name == "free1" ? "parallel 500 observe piece" : "parallel 500 alone piece").ok());
        BOOST_TEST(Events::all().count("piece") == 500u);
        if (name != "free1") BOOST_TEST(checked(module) == before + 500);
        const ModuleStats last = lab.stats(name);
        BOOST_TEST(last.calls_none - first.calls_none == (name == "free1" ? 501u : 0u));
        BOOST_TEST(last.calls_module_lock - first.calls_module_lock == (name == "lock1" ? 502u : 0u));
        BOOST_TEST(last.calls_global_lock - first.calls_global_lock == (name == "unm1" ? 502u : 0u));
    }
}

BOOST_AUTO_TEST_CASE(several_threads_do_take_part) {
    Lab lab;
    const Module module = lab.import("free1");
    // Two pieces wait for each other: one thread alone would never end.
    std::latch both(2);
    Events::all().on("piece", [&] {
        both.arrive_and_wait();
        return 0;
    });
    BOOST_TEST(lab.run(module, "parallel 2 observe piece").ok());
}

BOOST_AUTO_TEST_CASE(the_first_error_of_a_piece_is_the_error_of_the_loop) {
    Lab lab;
    const Module module = lab.import("free1");
    const auto result = lab.run(module, "parallel 100 fail in a piece");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().message == "free1.run: in a piece");
}

BOOST_AUTO_TEST_CASE(pieces_of_exec_may_import_the_same_module_and_others) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        Events::all().script(name + ":exec", "parallel 50 import " + name + ",import free2,call " + name +
                                                 " run observe partial,import unm2");
        BOOST_TEST(lab.import(name).loaded());
        BOOST_TEST(Events::all().count("partial") == 50u);
        BOOST_TEST(Events::all().count("free2:exec") == 1u);
        BOOST_TEST(Events::all().count("unm2:exec") == 1u);
        BOOST_TEST(!lab.parallel());
    }
}

BOOST_AUTO_TEST_CASE(the_same_import_from_the_hosts_loop) {
    Lab lab;
    std::atomic<int> good{0};
    lab.runtime.parallel_for(0, 64, [&](std::size_t i) {
        const char* names[] = {"free1", "lock1", "unm1", "pkg.sub"};
        good += lab.import(names[i % 4]).function("count").value()({}).ok();
    });
    BOOST_TEST(good.load() == 64);
    BOOST_TEST(lab.loader.modules().size() == 5u);
    BOOST_TEST(lab.warnings().size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_import_whose_exec_loops_while_all_threads_of_the_executor_want_it) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        std::latch all_want_it(static_cast<std::ptrdiff_t>(lab.runtime.threads()));
        Event in_exec;
        Events::all().on(name + ":exec", [&] {
            in_exec.set();
            const Detached outside;
            all_want_it.wait();
            return 0;
        });
        Events::all().script(name + ":exec", "parallel 100 observe piece");
        Threads threads;
        threads.start([&] { lab.import(name); });
        in_exec.wait();
        std::atomic<int> good{0}, pieces_before{0};
        static thread_local std::string wanted;
        lab.runtime.parallel_for(
            0, 64,
            [&](std::size_t) {
                if (std::exchange(wanted, name) != name) all_want_it.count_down();
                good += lab.import(name).function("count").value()({}).ok();
                pieces_before += Events::all().count("piece") == 100;
            },
            1);
        threads.join();
        BOOST_TEST(good.load() == 64);
        BOOST_TEST(pieces_before.load() == 64);  // nobody got it unfinished
    }
}

BOOST_AUTO_TEST_CASE(a_circular_import_by_way_of_the_hosts_loop_gives_the_partial_module) {
    Lab lab;
    std::latch both(2);
    std::atomic<int> got{0};
    Events::all().on("free1:exec", [&] {
        // As a callback of the host may do it. The second body runs on another thread than the import.
        lab.runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                got += lab.import("free1").function("count").value()({}).ok();
            },
            1);
        return 0;
    });
    BOOST_TEST(lab.import("free1").loaded());
    BOOST_TEST(got.load() == 2);
}

BOOST_AUTO_TEST_CASE(a_body_for_a_call_of_a_module_cannot_unload_it) {
    Lab lab;
    const Module module = lab.import("free1");
    std::latch both(2);
    std::atomic<int> refused{0};
    Events::all().on("loop", [&] {
        lab.runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                const auto unloaded = lab.loader.unload("free1");
                refused += !unloaded && unloaded.error().code == Errc::in_use;
            },
            1);
        return 0;
    });
    BOOST_TEST(lab.run(module, "observe loop").ok());
    BOOST_TEST(refused.load() == 2);
    BOOST_TEST(lab.loader.unload("free1").ok());
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_in_a_piece_leaves_the_module) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab({.threads = 1});  // so that it is the caller that ends
        const Module module = lab.import(name);
        std::thread([&] { static_cast<void>(lab.run(module, "parallel 3 exit")); }).join();
        BOOST_TEST(module.function("count").value()({}).ok());
        BOOST_TEST(lab.runtime.stats().attached_threads == 0u);
        BOOST_TEST(lab.loader.unload(name).ok());
    }
}

BOOST_AUTO_TEST_CASE(a_fork_in_a_body_is_an_error_in_the_child_if_pieces_are_lost) {
    Lab lab;
    std::latch both(2);
    const auto caller = std::this_thread::get_id();
    Event forked;
    pid_t child = -1;
    int status = 0;
    const auto loop = [&] {
        lab.runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                if (std::this_thread::get_id() != caller) {
                    forked.wait();
                    return;
                }
                child = ::fork();
                if (child != 0) {
                    ::waitpid(child, &status, 0);
                    forked.set();
                }
            },
            1);
    };
    try {
        loop();
        if (child == 0) ::_exit(1);
    } catch (const Failure& failure) {
        if (child == 0) ::_exit(failure.error().code == Errc::wrong_state ? 0 : 2);
        throw;
    }
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_body_has_no_call_of_another_thread) {
    Lab lab;
    const Module module = lab.import("free1");
    std::latch both(2);
    std::atomic<int> calls{0};
    Events::all().on("loop", [&] {
        lab.runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                calls += detail::host_table.current_call(&detail::host_table) != nullptr;
            },
            1);
        return 0;
    });
    BOOST_TEST(lab.run(module, "observe loop").ok());
    BOOST_TEST(calls.load() == 1);  // of the thread that is inside
}

BOOST_AUTO_TEST_CASE(a_loop_of_a_module_that_is_being_unloaded_keeps_its_lock) {
    Lab lab;
    const Module module = lab.import("lock1");
    const std::int64_t before = checked(module);
    Event inside, go_on;
    Events::all().on("stay", [&] {
        inside.set();
        go_on.wait();
        return 0;
    });
    std::optional<Result<Value>> result;
    std::int64_t after = 0;
    Events::all().on("lock1:teardown", [&] { return 0; });
    Threads threads;
    threads.start(
        [&] { result = lab.run(module, "detached stay;parallel 500 alone piece;call free1 run call lock1 checked"); });
    inside.wait();
    threads.start([&] { must(!lab.loader.unload("lock1").ok()); });
    while (module.loaded()) std::this_thread::yield();
    go_on.set();
    threads.join();
    BOOST_REQUIRE(result.has_value());
    BOOST_TEST(result->ok(), why(*result));
    if (result->ok()) after = (*result)->get<std::int64_t>();
    BOOST_TEST(after == before + 500);
}

BOOST_AUTO_TEST_CASE(a_loop_inside_teardown) {
    Lab lab;
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Events::all().script(name + ":teardown", "parallel 20 alone piece;parallel 2 import free2");
        lab.import(name);
        const std::size_t before = Events::all().count("piece");
        BOOST_TEST(lab.loader.unload(name).ok());
        BOOST_TEST(Events::all().count("piece") - before == 20u);
        BOOST_TEST(lab.parallel());
    }
}

BOOST_AUTO_TEST_CASE(a_fallback_in_the_middle_of_a_loop) {
    Lab lab;
    const Module free = lab.import("free1");
    std::atomic<int> pieces{0};
    Event imported;
    Events::all().on("piece", [&] {
        ++pieces;
        return 0;
    });
    Threads threads;
    threads.start([&] {
        while (pieces.load() < 10) std::this_thread::yield();
        lab.import("unm1");
        imported.set();
    });
    while (!imported.happened()) BOOST_TEST_REQUIRE(lab.run(free, "parallel 50 observe piece").ok());
    threads.join();
    BOOST_TEST(lab.run(free, "parallel 50 observe piece").ok());
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.stats("free1").calls_global_lock >= 51u);
}
