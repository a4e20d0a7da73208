// The lock behind the global lock and the module locks: exclusion, and that a waiter gets its turn although the owner
// would take the lock again at once.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_handoff_lock
#include <boost/test/unit_test.hpp>

#include <pthread.h>

#include <algorithm>
#include <interlock/handoff_lock.hpp>
#include <interlock/runtime.hpp>

#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using Release = HandoffLock::Release;

namespace {

/// Sets the interval for which a lock may be kept, for one test.
class Interval {
public:
    explicit Interval(std::chrono::microseconds interval) { HandoffLock::set_switch_interval(interval); }
    ~Interval() { HandoffLock::set_switch_interval(before_); }

private:
    std::chrono::microseconds before_ = HandoffLock::switch_interval();
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_holder) {
    HandoffLock lock;
    BOOST_CHECK(lock.try_lock());
    BOOST_CHECK(!lock.try_lock());
    lock.unlock(Release::lazy);
    lock.lock();
    BOOST_CHECK(!lock.try_lock());
    BOOST_CHECK(!lock.handoff_due());
    lock.unlock(Release::eager);
    BOOST_CHECK(lock.try_lock());
}

BOOST_AUTO_TEST_CASE(a_plain_counter_under_each_kind_of_release) {
    constexpr int thread_count = 6, rounds = 20000;
    for (const bool eager : {false, true}) {
        Interval interval(std::chrono::microseconds(100));
        HandoffLock lock;
        long counter = 0;
        Threads threads;
        threads.start(thread_count, [&](int thread) {
            for (int i = 0; i < rounds; ++i) {
                lock.lock();
                ++counter;
                lock.unlock(eager || (i + thread) % 16 == 0 ? Release::eager : Release::lazy);
            }
        });
        threads.join();
        BOOST_CHECK_EQUAL(counter, thread_count * rounds);
        BOOST_CHECK(!lock.handoff_due());
        BOOST_CHECK(lock.try_lock());
    }
}

BOOST_AUTO_TEST_CASE(after_the_switch_interval_a_release_hands_the_lock_over) {
    Interval interval(std::chrono::microseconds(100));
    for (int round = 0; round < 20; ++round) {
        HandoffLock lock;
        Event got_it, go;
        lock.lock();
        Threads threads;
        threads.start([&] {
            lock.lock();
            got_it.set();
            go.wait();
            lock.unlock(Release::eager);
        });
        while (!lock.handoff_due()) std::this_thread::yield();
        lock.unlock(Release::lazy);
        const bool taken_back = lock.try_lock();
        if (taken_back) lock.unlock(Release::eager);
        BOOST_CHECK(!taken_back);
        got_it.wait();
        BOOST_CHECK(!lock.handoff_due());
        go.set();
    }
}

BOOST_AUTO_TEST_CASE(a_waiter_gets_the_lock_after_a_lazy_release_without_another) {
    // Nobody takes the lock again and nobody wakes the waiter: it looks by itself.
    HandoffLock lock;
    for (int round = 0; round < 50; ++round) {
        Event waiting, got_it;
        lock.lock();
        Threads threads;
        threads.start([&] {
            waiting.set();
            lock.lock();
            got_it.set();
            lock.unlock(Release::eager);
        });
        waiting.wait();
        lock.unlock(Release::lazy);
        got_it.wait();
    }
}

BOOST_AUTO_TEST_CASE(one_release_serves_the_whole_queue_one_after_the_other) {
    Interval interval(std::chrono::microseconds(50));
    HandoffLock lock;
    std::vector<int> order;  // under the lock
    lock.lock();
    Threads threads;
    for (int i = 0; i < 5; ++i) {
        Event queued;
        threads.start([&, i] {
            queued.set();
            lock.lock();
            order.push_back(i);
            lock.unlock(Release::eager);
        });
        queued.wait();
    }
    while (!lock.handoff_due()) std::this_thread::yield();
    lock.unlock(Release::lazy);
    threads.join();
    std::sort(order.begin(), order.end());
    BOOST_CHECK(order == (std::vector{0, 1, 2, 3, 4}));
    BOOST_CHECK(lock.try_lock());
}

BOOST_AUTO_TEST_CASE(who_is_urgent_comes_first_and_does_not_wait_for_the_interval) {
    Interval interval(std::chrono::hours(1));
    HandoffLock lock;
    std::atomic<bool> urgent_had_it{false};
    bool first = false;
    lock.lock();
    Threads threads;
    for (int i = 0; i < 3; ++i)
        threads.start([&] {
            lock.lock();
            if (!urgent_had_it) first = true;  // under the lock
            lock.unlock(Release::eager);
        });
    threads.start([&] {
        lock.lock_urgently();
        urgent_had_it = true;
        lock.unlock(Release::eager);
    });
    while (!lock.handoff_due()) std::this_thread::yield();
    lock.unlock(Release::lazy);
    threads.join();
    BOOST_CHECK(urgent_had_it);
    BOOST_CHECK(!first);
    BOOST_CHECK(!lock.handoff_due());
    BOOST_CHECK(lock.try_lock());
}

BOOST_AUTO_TEST_CASE(a_waiter_that_is_cancelled_gets_the_lock_and_ends_afterwards) {
    Interval interval(std::chrono::microseconds(50));
    HandoffLock lock;
    std::atomic<bool> had_it{false}, went_on{false};
    lock.lock();
    std::thread waiter([&] {
        lock.lock();
        had_it = true;
        lock.unlock(Release::eager);
        pthread_testcancel();
        went_on = true;
    });
    while (!lock.handoff_due()) std::this_thread::yield();
    BOOST_REQUIRE_EQUAL(pthread_cancel(waiter.native_handle()), 0);
    lock.unlock(Release::eager);
    waiter.join();
    BOOST_CHECK(had_it);
    BOOST_CHECK(!went_on);
    BOOST_CHECK(lock.try_lock());
}

BOOST_AUTO_TEST_CASE(who_is_sent_away_does_not_take_the_lock) {
    Interval interval(std::chrono::microseconds(50));
    for (int round = 0; round < 20; ++round) {
        HandoffLock lock;
        std::atomic<int> sent_away{0}, took_it{0};
        lock.lock();
        Threads threads;
        threads.start(4, [&](int) {
            if (!lock.lock_unless_dismissed()) {
                ++sent_away;
                return;
            }
            ++took_it;
            lock.unlock(Release::eager);
        });
        while (!lock.handoff_due()) std::this_thread::yield();
        lock.unlock_and_dismiss();
        threads.join();
        BOOST_CHECK_GE(sent_away, 1);
        BOOST_CHECK_EQUAL(sent_away + took_it, 4);
        BOOST_CHECK(!lock.handoff_due());
        BOOST_CHECK(lock.try_lock());
    }
}

BOOST_AUTO_TEST_CASE(a_greedy_holder_at_safe_points_lets_every_waiter_in) {
    // The holder never detaches. Each of the others needs the global lock once; the number of hand-overs that the
    // holder sees until all have had it is bounded by their number.
    constexpr int waiter_count = 4;
    Runtime runtime({.gil = GilSetting::on, .switch_interval = std::chrono::microseconds(100)});
    Attached attached;
    std::atomic<int> served{0};
    Threads threads;
    threads.start(waiter_count, [&](int) {
        Attached guard;
        ++served;
    });
    int handed_over = 0, before = 0;
    safe_points_until([&] {
        const int now = served;
        if (now != before) ++handed_over;
        before = now;
        return now == waiter_count;
    });
    BOOST_CHECK_LE(handed_over, waiter_count);
    BOOST_CHECK_GE(handed_over, 1);
    Detached for_joining;
    threads.join();
}

BOOST_AUTO_TEST_CASE(two_greedy_holders_take_turns) {
    constexpr int turns = 20;
    Runtime runtime({.gil = GilSetting::on, .switch_interval = std::chrono::microseconds(100)});
    int owner = -1;  // under the global lock
    std::atomic<int> changes{0};
    Threads threads;
    threads.start(2, [&](int thread) {
        Attached attached;
        safe_points_until([&] {
            if (owner != thread) {
                owner = thread;
                ++changes;
            }
            return changes >= turns;
        });
    });
    threads.join();
    BOOST_CHECK_GE(changes, turns);
}
