// Modules, and hosts, that use oneTBB themselves: a thread that waits in a oneTBB loop beneath a call, an import or an
// unloading is not handed work that has nothing to do with it.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_isolation
#include <boost/test/unit_test.hpp>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <thread>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

// How long a wait goes on that nobody disturbs: long enough for a thread to take a task that lies in its own queue.
constexpr int patience = 20'000;

/// Waits with oneTBB, as code of a module may do it, until `disturbed`, or for a while.
void wait_in_onetbb(const std::atomic<bool>& disturbed) {
    tbb::task_group group;
    std::optional<tbb::task_handle> held(group.defer([] {}));
    std::thread release([&] {
        for (int i = 0; i < patience && !disturbed.load(); ++i) std::this_thread::yield();
        held.reset();
    });
    group.wait();
    release.join();
}

/// On one thread of an arena of the host: `first`, while `second` lies in the queue of that thread.
void run_both(const std::function<void()>& first, const std::function<void()>& second) {
    tbb::task_arena arena(1);
    arena.execute([&] {
        tbb::task_group group;
        group.run(second);
        group.run(first);  // the last one comes first
        group.wait();
    });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_behind_a_lock_is_not_entered_again_beneath_itself) {
    for (const std::string name : {"lock1", "unm1"}) {
        Lab lab;
        const Module module = lab.import(name);
        int inside = 0, entered = 0;
        std::atomic<bool> again{false};
        Events::all().on("wait", [&] {
            again = again || inside != 0;
            ++inside;
            if (entered++ == 0) wait_in_onetbb(again);
            --inside;
            return 0;
        });
        const auto call = [&] { must(lab.run(module, "observe wait").ok()); };
        run_both(call, call);
        BOOST_TEST(entered == 2);
        BOOST_TEST(!again.load());
    }
}

BOOST_AUTO_TEST_CASE(nothing_runs_beneath_an_import_by_chance) {
    Lab lab;
    std::atomic<bool> beneath{false};
    bool in_exec = false;
    Events::all().on("free1:exec", [&] {
        in_exec = true;
        wait_in_onetbb(beneath);
        in_exec = false;
        return 0;
    });
    run_both([&] { lab.import("free1"); },
             [&] {
                 beneath = in_exec;
                 lab.import("free1");
             });
    BOOST_TEST(!beneath.load());
}

BOOST_AUTO_TEST_CASE(nothing_runs_beneath_an_unloading_by_chance) {
    Lab lab;
    lab.import("free1");
    std::atomic<bool> beneath{false};
    bool in_teardown = false;
    Events::all().on("free1:teardown", [&] {
        in_teardown = true;
        wait_in_onetbb(beneath);
        in_teardown = false;
        return 0;
    });
    run_both([&] { must(lab.loader.unload("free1").ok()); }, [&] { beneath = in_teardown; });
    BOOST_TEST(!beneath.load());
}
