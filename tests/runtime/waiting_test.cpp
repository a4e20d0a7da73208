// Whose work a thread may run while it waits, and each situation in which code that holds a lock while oneTBB waits has
// been seen to deadlock. Here the locks are interlock's, and nothing does.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_waiting
#include <boost/test/unit_test.hpp>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <pthread.h>

#include <interlock/gate.hpp>
#include <interlock/runtime.hpp>

#include "points.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using detail::own_slot;

namespace {

/// Runs `function` under the lock of a module, as the loader's gate does it: the caller's lock is dropped meanwhile.
template <typename Function>
void through_gate(HandoffLock& lock, Function function) {
    HandoffLock* callers = own_slot()->module_lock;
    if (callers != nullptr) detail::drop_module_lock(own_slot());
    detail::take_module_lock(own_slot(), lock);
    function();
    detail::drop_module_lock(own_slot());
    if (callers != nullptr) detail::take_module_lock(own_slot(), *callers);
}

}  // namespace

// The table of deadlocks: a lock is held while oneTBB waits.
BOOST_AUTO_TEST_CASE(under_a_lock_wait_for_a_task_that_needs_it) {
    for (const unsigned threads : {1u, 2u, 4u})
        for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
            Runtime runtime({.gil = gil, .threads = threads});
            HandoffLock lock;
            long count = 0;
            Attached attached;
            for (int i = 0; i < 100; ++i)
                through_gate(lock, [&] {
                    Task<void> task = runtime.submit([&] { through_gate(lock, [&] { ++count; }); });
                    task.get();
                });
            BOOST_CHECK_EQUAL(count, 100);
        }
}

BOOST_AUTO_TEST_CASE(under_a_lock_a_loop_whose_bodies_need_it) {
    for (const unsigned threads : {1u, 2u, 4u})
        for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
            Runtime runtime({.gil = gil, .threads = threads});
            HandoffLock lock;
            Mutex object;
            static const CallSite site{"m", "f"};
            long count = 0;
            // Outer bodies, too, run under the lock, and come from several callers at once.
            Threads callers;
            callers.start(2, [&](int caller) {
                for (int round = 0; round < 20; ++round)
                    runtime.parallel_for(
                        0, 8,
                        [&](std::size_t) {
                            own_slot()->site.store(caller == 0 ? &site : nullptr);  // isolated, as a module, or not
                            through_gate(lock, [&] {
                                CriticalSection section(object);
                                runtime.parallel_for(
                                    0, 4,
                                    [&](std::size_t) {
                                        through_gate(lock, [&] {
                                            CriticalSection inner(object);
                                            ++count;
                                        });
                                    },
                                    1);
                            });
                            own_slot()->site.store(nullptr);
                        },
                        1);
            });
            callers.join();
            BOOST_CHECK_EQUAL(count, 2 * 20 * 8 * 4);
        }
}

BOOST_AUTO_TEST_CASE(a_module_that_waits_is_not_handed_another_callers_body) {
    // Three places in the arena: the module's thread, which waits for an item; the one that has this item, and keeps
    // it; and the other caller's. One of the other caller's two bodies lies there for whoever looks for work.
    constexpr int patience = 20'000;
    Runtime runtime({.threads = 3});
    static const CallSite site{"m", "f"};
    static thread_local bool inside_module = false;
    std::atomic<int> items{0}, bodies{0}, re_entered{0};
    Event both_items, other_caller_is_done;
    Threads threads;
    threads.start([&] {
        both_items.wait();
        runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                if (inside_module) ++re_entered;
                ++bodies;
                for (int i = 0; i < patience && bodies < 2; ++i) std::this_thread::yield();
            },
            1);
        other_caller_is_done.set();
    });
    {
        Attached attached;
        inside_module = true;
        own_slot()->site.store(&site);
        const auto owner = std::this_thread::get_id();
        runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                if (++items == 2) both_items.set();
                both_items.wait();  // so each item has a thread of its own
                if (std::this_thread::get_id() != owner) other_caller_is_done.wait();
            },
            1);
        own_slot()->site.store(nullptr);
        inside_module = false;
    }
    threads.join();
    BOOST_CHECK_EQUAL(re_entered, 0);
    BOOST_CHECK_EQUAL(items, 2);
    BOOST_CHECK_EQUAL(bodies, 2);
}

BOOST_AUTO_TEST_CASE(a_loop_ends_though_all_threads_of_the_executor_wait_for_its_caller) {
    for (const unsigned thread_count : {1u, 2u, 4u}) {
        Runtime runtime({.threads = thread_count});
        std::latch all_wait(static_cast<std::ptrdiff_t>(thread_count));
        Event done;
        Threads threads;
        threads.start([&] {
            runtime.parallel_for(
                0, thread_count,
                [&](std::size_t) {
                    Detached outside;
                    all_wait.count_down();
                    done.wait();
                },
                1);
        });
        all_wait.wait();
        std::atomic<int> count{0}, elsewhere{0};
        const auto here = std::this_thread::get_id();
        runtime.parallel_for(0, 100, [&](std::size_t) {
            ++count;
            elsewhere += std::this_thread::get_id() != here;
        });
        done.set();
        threads.join();
        BOOST_CHECK_EQUAL(count, 100);
        BOOST_CHECK_EQUAL(elsewhere, 0);
    }
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_piece_of_a_loop_runs_nothing_of_other_loops) {
    Points points;
    Runtime runtime({.threads = 2});
    std::latch both(2);
    Event other_loop_is_done;
    std::atomic<int> foreign{0};
    std::thread::id waiting;
    Threads threads;
    threads.start([&] {
        waiting = std::this_thread::get_id();
        runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                if (std::this_thread::get_id() != waiting) other_loop_is_done.wait();
            },
            1);
    });
    points.wait_for("executor.waiting");
    runtime.parallel_for(0, 200, [&](std::size_t) { foreign += std::this_thread::get_id() == waiting; }, 1);
    static_cast<void>(runtime.submit([&] { foreign += std::this_thread::get_id() == waiting; }).get());
    other_loop_is_done.set();
    threads.join();
    BOOST_CHECK_EQUAL(foreign, 0);
}

BOOST_AUTO_TEST_CASE(a_piece_is_part_of_what_the_caller_of_its_loop_is_in_the_middle_of) {
    Runtime runtime({.threads = 2});
    int frame, imports;
    std::atomic<int> wrong{0};
    const auto two_threads = [&](void* expected_frame, void* expected_imports) {
        std::latch both(2);
        runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                wrong += own_slot()->loader_frame != expected_frame || own_slot()->loader_imports != expected_imports;
                wrong += own_slot()->module_lock != nullptr;
            },
            1);
    };
    own_slot()->loader_frame = &frame;
    own_slot()->loader_imports = &imports;
    two_threads(&frame, &imports);
    own_slot()->loader_frame = own_slot()->loader_imports = nullptr;
    two_threads(nullptr, nullptr);
    BOOST_CHECK_EQUAL(wrong, 0);
}

BOOST_AUTO_TEST_CASE(no_work_begins_beneath_a_body_that_has_entered_the_arena_again) {
    // One worker of oneTBB and two invitations: the worker follows the first, and finds the second one in the queue of
    // the arena when it waits there in a oneTBB loop of its own.
    const tbb::global_control one_worker(tbb::global_control::max_allowed_parallelism, 2);
    Points points;
    Runtime runtime({.threads = 3});
    std::latch both(2);
    Event worker_is_done;
    std::atomic<int> beneath{0};
    static thread_local bool inside = false;
    const auto caller = std::this_thread::get_id();
    runtime.parallel_for(
        0, 3,
        [&](std::size_t i) {
            beneath += inside;
            if (i == 2 || inside) return;
            both.arrive_and_wait();
            if (std::this_thread::get_id() == caller) return worker_is_done.wait();
            inside = true;
            tbb::task_group group;
            std::optional<tbb::task_handle> held(group.defer([] {}));
            std::thread release([&] {
                while (points.arrivals("executor.refused") == 0 && beneath == 0) std::this_thread::yield();
                held.reset();
            });
            tbb::task_arena here{tbb::task_arena::attach{}};
            here.execute([&] { group.wait(); });
            release.join();
            inside = false;
            worker_is_done.set();
        },
        1);
    BOOST_CHECK_EQUAL(beneath, 0);
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_in_a_piece_waits_for_the_others_first) {
    Points points;
    Runtime runtime({.threads = 2});
    HandoffLock lock;
    std::latch both(2);
    std::atomic<bool> other_is_done{false}, unwound_too_early{false}, returned{false};
    struct Frame {
        ~Frame() { early = !done; }
        std::atomic<bool>&done, &early;
    };
    std::thread::id caller;
    std::thread ending([&] {
        caller = std::this_thread::get_id();
        const Frame frame{other_is_done, unwound_too_early};
        runtime.parallel_for(
            0, 2,
            [&](std::size_t) {
                both.arrive_and_wait();
                if (std::this_thread::get_id() == caller) {
                    // As a module does it: nothing gives back the lock, or detaches.
                    detail::attach(own_slot());
                    detail::take_module_lock(own_slot(), lock);
                    pthread_exit(nullptr);
                }
                points.wait_for("executor.waiting");
                through_gate(lock, [&] { other_is_done = true; });
            },
            1);
        returned = true;
    });
    ending.join();
    BOOST_CHECK(other_is_done);
    BOOST_CHECK(!unwound_too_early);
    BOOST_CHECK(!returned);
    BOOST_CHECK(lock.try_lock());
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}
