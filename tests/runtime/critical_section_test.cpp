// Critical sections: nesting, pairs, being suspended while the thread is detached, orders that would deadlock with
// ordinary locks.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_critical_section
#include <boost/test/unit_test.hpp>

#include <interlock/runtime.hpp>
#include <optional>

#include "points.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;

namespace {

bool is_free(Mutex& mutex) {
    if (!mutex.try_lock()) return false;
    mutex.unlock();
    return true;
}

/// "ab", "a", ... : which of the mutexes are held.
std::string held(Mutex& a, Mutex& b, Mutex& c) {
    std::string text;
    if (!is_free(a)) text += 'a';
    if (!is_free(b)) text += 'b';
    if (!is_free(c)) text += 'c';
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(sections_nest_and_lock_what_they_name) {
    Runtime runtime;
    Mutex a, b, c;
    Attached attached;
    {
        CriticalSection one(a);
        BOOST_CHECK_EQUAL(held(a, b, c), "a");
        {
            CriticalSection two(b, c);
            BOOST_CHECK_EQUAL(held(a, b, c), "abc");
        }
        BOOST_CHECK_EQUAL(held(a, b, c), "a");
        {
            CriticalSection two(c, b);
            BOOST_CHECK_EQUAL(held(a, b, c), "abc");
        }
    }
    BOOST_CHECK_EQUAL(held(a, b, c), "");
}

BOOST_AUTO_TEST_CASE(the_same_object_twice) {
    Points points;
    Runtime runtime;
    Mutex a, b, c;
    Attached attached;
    {
        CriticalSection twice(a, a);
        BOOST_CHECK_EQUAL(held(a, b, c), "a");
    }
    BOOST_CHECK_EQUAL(held(a, b, c), "");
    {
        CriticalSection outer(a, b);
        for (Mutex* mutex : {&a, &b}) {
            CriticalSection inner(*mutex);
            CriticalSection innermost(b, a);
            BOOST_CHECK_EQUAL(held(a, b, c), "ab");
        }
        BOOST_CHECK_EQUAL(held(a, b, c), "ab");
        CriticalSection other(c);
        BOOST_CHECK_EQUAL(held(a, b, c), "abc");
    }
    BOOST_CHECK_EQUAL(held(a, b, c), "");
    // Nobody could come in between.
    BOOST_CHECK_EQUAL(points.arrivals("critical.blocked"), 0);
    {
        // Under another section the outer one is suspended, for it cannot be told apart from a stranger's.
        CriticalSection outer(a);
        CriticalSection between(b);
        {
            CriticalSection again(a);
            BOOST_CHECK_EQUAL(held(a, b, c), "a");
        }
        BOOST_CHECK_EQUAL(held(a, b, c), "b");
    }
    BOOST_CHECK_EQUAL(held(a, b, c), "");
}

BOOST_AUTO_TEST_CASE(sections_are_suspended_while_detached_and_the_innermost_comes_back) {
    Runtime runtime;
    Mutex a, b, c;
    Attached attached;
    CriticalSection outer(a);
    {
        CriticalSection inner(b, c);
        {
            Detached outside;
            BOOST_CHECK_EQUAL(held(a, b, c), "");
            {
                Attached again;
                CriticalSection own(b);
                BOOST_CHECK_EQUAL(held(a, b, c), "b");
            }
        }
        BOOST_CHECK_EQUAL(held(a, b, c), "bc");
    }
    BOOST_CHECK_EQUAL(held(a, b, c), "a");
}

BOOST_AUTO_TEST_CASE(a_section_is_taken_back_when_its_owner_leaves) {
    Points points;
    Runtime runtime;
    Mutex a;
    Event in_section, go;
    long plain = 0;
    Threads threads;
    threads.start([&] {
        Attached attached;
        CriticalSection section(a);
        plain = 1;
        in_section.set();
        go.wait();
        ++plain;
    });
    in_section.wait();
    long seen = 0;
    threads.start([&] {
        Attached attached;
        CriticalSection section(a);
        seen = ++plain;
    });
    points.wait_for("critical.blocked");
    go.set();
    threads.join();
    BOOST_CHECK_EQUAL(seen, 3);
}

BOOST_AUTO_TEST_CASE(opposite_orders_do_not_deadlock) {
    constexpr int rounds = 20000;
    Runtime runtime;
    Mutex a, b;
    long count_a = 0, count_b = 0;
    Threads threads;
    threads.start(2, [&](int thread) {
        for (int i = 0; i < rounds; ++i) {
            Attached attached;
            CriticalSection outer(thread == 0 ? a : b);
            ++(thread == 0 ? count_a : count_b);
            CriticalSection inner(thread == 0 ? b : a);
            ++(thread == 0 ? count_b : count_a);
        }
    });
    threads.join();
    BOOST_CHECK_EQUAL(count_a, 2 * rounds);
    BOOST_CHECK_EQUAL(count_b, 2 * rounds);
}

BOOST_AUTO_TEST_CASE(the_exact_interleaving_of_opposite_orders) {
    Points points;
    Runtime runtime;
    Mutex a, b;
    Event first_has_a, second_has_b;
    Threads threads;
    bool first_done = false, second_done = false;
    threads.start([&] {
        Attached attached;
        CriticalSection outer(a);
        first_has_a.set();
        second_has_b.wait();
        CriticalSection inner(b);  // gives up a while it waits
        first_done = true;
    });
    threads.start([&] {
        Attached attached;
        CriticalSection outer(b);
        second_has_b.set();
        first_has_a.wait();
        points.wait_for("critical.blocked");
        CriticalSection inner(a);
        second_done = true;
    });
    threads.join();
    BOOST_CHECK(first_done);
    BOOST_CHECK(second_done);
}

BOOST_AUTO_TEST_CASE(pairs_in_opposite_orders_do_not_deadlock) {
    constexpr int rounds = 20000;
    Runtime runtime;
    Mutex objects[3];
    long count[3]{};
    Threads threads;
    threads.start(3, [&](int thread) {
        for (int i = 0; i < rounds; ++i) {
            Attached attached;
            const auto first = static_cast<std::size_t>(thread), second = static_cast<std::size_t>((thread + 1) % 3);
            CriticalSection section(objects[first], objects[second]);
            ++count[first];
            ++count[second];
        }
    });
    threads.join();
    for (const long each : count) BOOST_CHECK_EQUAL(each, 2 * rounds);
}

BOOST_AUTO_TEST_CASE(a_switch_does_not_wait_for_who_waits_for_a_section) {
    Points points;
    Runtime runtime;
    Mutex a;
    Event in_section, go;
    Threads threads;
    threads.start([&] {
        Attached attached;
        CriticalSection section(a);
        in_section.set();
        // Stays in the section, but reaches safe points.
        safe_points_until([&] { return go.happened(); });
    });
    in_section.wait();
    bool got_it = false;
    threads.start([&] {
        Attached attached;
        CriticalSection section(a);
        got_it = true;
    });
    points.wait_for("critical.blocked");
    BOOST_CHECK(runtime.switch_to_locked("test").ok());
    go.set();
    threads.join();
    BOOST_CHECK(got_it);
}

BOOST_AUTO_TEST_CASE(opposite_orders_in_locked_mode) {
    constexpr int rounds = 5000;
    Runtime runtime({.gil = GilSetting::on, .switch_interval = std::chrono::microseconds(20)});
    Mutex a, b;
    long count = 0;
    Threads threads;
    threads.start(3, [&](int thread) {
        for (int i = 0; i < rounds; ++i) {
            Attached attached;
            CriticalSection outer(thread == 0 ? a : b);
            safe_point();  // gives up the global lock with the section in hand
            CriticalSection inner(thread == 0 ? b : a);
            ++count;
        }
    });
    threads.join();
    BOOST_CHECK_EQUAL(count, 3 * rounds);
}
