// Locked mode is exclusive, hand-over is fair, and both hold across switches in every direction: plain counters and a
// checker under random loads with fixed seeds.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_mutual_exclusion
#include <boost/test/unit_test.hpp>

#include <interlock/gate.hpp>
#include <interlock/runtime.hpp>
#include <random>

#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;

BOOST_AUTO_TEST_CASE(a_plain_counter_in_locked_mode) {
    constexpr int thread_count = 8, rounds = 20000;
    Runtime runtime({.gil = GilSetting::on});
    long counter = 0;
    Threads threads;
    threads.start(thread_count, [&](int) {
        for (int i = 0; i < rounds; ++i) {
            Attached attached;
            ++counter;
        }
    });
    threads.join();
    BOOST_CHECK_EQUAL(counter, thread_count * rounds);
}

BOOST_AUTO_TEST_CASE(a_plain_counter_across_safe_points) {
    constexpr int thread_count = 4, rounds = 50000;
    Runtime runtime({.gil = GilSetting::on, .switch_interval = std::chrono::microseconds(50)});
    long counter = 0;
    Threads threads;
    threads.start(thread_count, [&](int) {
        Attached attached;
        for (int i = 0; i < rounds; ++i) {
            ++counter;
            safe_point();
        }
    });
    threads.join();
    BOOST_CHECK_EQUAL(counter, thread_count * rounds);
}

BOOST_AUTO_TEST_CASE(locked_and_parallel_bodies_never_overlap_across_switches) {
    constexpr int thread_count = 4, switches = 50;
    Runtime runtime({.switch_interval = std::chrono::microseconds(200)});
    Exclusion exclusion;
    Event stop;
    std::atomic<long> alone{0}, in_company{0};
    Threads threads;
    threads.start(thread_count, [&](int) {
        while (!stop.happened()) {
            Attached attached;
            for (int i = 0; i < 5; ++i) {
                exclusion.enter();
                std::atomic<long>& count = holds_global_lock() ? alone : in_company;
                count.fetch_add(1, std::memory_order_relaxed);
                count.notify_one();
                exclusion.leave();
                safe_point();
            }
        }
    });
    for (int i = 0; i < switches; ++i) {
        BOOST_REQUIRE(runtime.switch_to_locked("test").value().switched);
        // The condition makes the rounds long enough that every mode is used.
        for (const long before = alone; alone == before;) alone.wait(before);
        BOOST_REQUIRE(runtime.switch_to_parallel());
        for (const long before = in_company; in_company == before;) in_company.wait(before);
    }
    stop.set();
    threads.join();
    BOOST_CHECK_EQUAL(exclusion.violations(), 0);
    BOOST_CHECK_EQUAL(exclusion.count_alone(), alone);
    BOOST_CHECK_GE(alone, switches);
}

namespace {

struct Load {
    Runtime& runtime;
    Exclusion exclusion{};
    HandoffLock module_lock{};
    Mutex objects[3]{};
    long counters[3]{};
    long module_counter = 0;
    std::atomic<long> expected_counts{0}, expected_module_count{0};
    std::atomic<int> violations_in_module{0};
    std::atomic<int> inside_module{0};

    /// One of the things that a module does; the thread is attached, and checked in.
    void step(std::mt19937& random) {
        const auto pick = [&](unsigned count) { return static_cast<unsigned>(random() % count); };
        switch (pick(9)) {
            case 0:
            case 1: {
                Attached nested;
                break;
            }
            case 2: {
                exclusion.leave();
                {
                    Detached outside;
                    if (pick(4) == 0) std::this_thread::yield();
                }
                exclusion.enter();
                break;
            }
            case 3: {
                exclusion.leave();
                safe_point();
                exclusion.enter();
                break;
            }
            case 4: {
                const unsigned object = pick(3);
                exclusion.leave();
                CriticalSection section(objects[object]);
                ++counters[object];
                ++expected_counts;
                exclusion.enter();
                break;
            }
            case 5: {
                const unsigned first = pick(3), second = pick(3), inner = pick(3);
                exclusion.leave();
                {
                    CriticalSection section(objects[first], objects[second]);
                    ++counters[first];
                    ++counters[second];
                    CriticalSection nested(objects[inner]);
                    ++counters[inner];
                    expected_counts += 3;
                    Detached outside;
                }
                exclusion.enter();
                break;
            }
            case 6: {
                exclusion.leave();
                detail::take_module_lock(detail::own_slot(), module_lock);
                if (++inside_module != 1) ++violations_in_module;
                ++module_counter;
                ++expected_module_count;
                --inside_module;
                detail::drop_module_lock(detail::own_slot());
                exclusion.enter();
                break;
            }
            case 7: {
                if (pick(50) != 0) break;
                exclusion.leave();
                // May fail at its deadline: other threads wait for this one in a section at times.
                if (runtime.switch_to_locked("stress", std::chrono::milliseconds(pick(3))).ok()) {
                    safe_point();
                    runtime.switch_to_parallel();
                }
                exclusion.enter();
                break;
            }
            default:
                break;
        }
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(everything_at_once) {
    constexpr int thread_count = 6, rounds = 20000;
    for (const unsigned seed : {1u, 2u, 3u, 4u}) {
        Runtime runtime({.switch_interval = std::chrono::microseconds(100)});
        Load load{runtime};
        Threads threads;
        threads.start(thread_count, [&](int thread) {
            std::mt19937 random(seed * 100 + static_cast<unsigned>(thread));
            for (int i = 0; i < rounds; ++i) {
                Attached attached;
                load.exclusion.enter();
                for (unsigned steps = random() % 4; steps != 0; --steps) load.step(random);
                load.exclusion.leave();
            }
        });
        threads.join();
        BOOST_CHECK_EQUAL(load.exclusion.violations(), 0);
        BOOST_CHECK_EQUAL(load.violations_in_module, 0);
        BOOST_CHECK_EQUAL(load.counters[0] + load.counters[1] + load.counters[2], load.expected_counts);
        BOOST_CHECK_EQUAL(load.module_counter, load.expected_module_count);
        BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
        BOOST_CHECK_EQUAL(runtime.stats().holds, 0u);
        BOOST_CHECK(runtime.mode() == Mode::parallel);
        for (Mutex& object : load.objects) BOOST_CHECK(object.try_lock());
        BOOST_CHECK(load.module_lock.try_lock());
    }
}

BOOST_AUTO_TEST_CASE(threads_that_come_and_go_during_switches) {
    Runtime runtime;
    Exclusion exclusion;
    Event stop;
    std::atomic<int> ended{0};
    Threads threads;
    threads.start(2, [&](int) {
        while (!stop.happened()) {
            on_other_thread([&] {
                detail::attach(detail::own_slot());
                exclusion.enter();
                exclusion.leave();
                // Every other one ends without detaching.
                if (ended++ % 2 == 0) detail::detach(detail::own_slot());
            });
        }
    });
    for (int i = 0; i < 200 || ended < 200; ++i) {
        BOOST_REQUIRE(runtime.switch_to_locked("test").ok());
        runtime.switch_to_parallel();
    }
    stop.set();
    threads.join();
    BOOST_CHECK_EQUAL(exclusion.violations(), 0);
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}
