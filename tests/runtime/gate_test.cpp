// What the loader builds its gates from: module locks that are never waited for while attached, tallies, and waiting
// until a module is empty.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_gate
#include <boost/test/unit_test.hpp>

#include <interlock/gate.hpp>
#include <interlock/runtime.hpp>

#include "points.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using detail::own_slot;

namespace {

/// A module with its own lock. A call drops the lock of the module it comes from, and takes it again on return: what
/// the loader's gate does.
struct Module {
    HandoffLock lock;
    long plain_count = 0;  // under lock

    template <typename Function>
    void call(Function function) {
        detail::ThreadSlot* slot = own_slot();
        HandoffLock* callers = slot->module_lock;
        if (callers != nullptr) detail::drop_module_lock(slot);
        detail::take_module_lock(slot, lock);
        ++plain_count;
        function();
        detail::drop_module_lock(slot);
        if (callers != nullptr) detail::take_module_lock(slot, *callers);
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(two_modules_that_call_each_other) {
    constexpr int rounds = 10000;
    for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
        Runtime runtime({.gil = gil, .switch_interval = std::chrono::microseconds(100)});
        Module x, y;
        Threads threads;
        threads.start(2, [&](int thread) {
            Module& mine = thread == 0 ? x : y;
            Module& other = thread == 0 ? y : x;
            for (int i = 0; i < rounds; ++i) {
                Attached attached;
                mine.call([&] {
                    safe_point();
                    other.call([&] { mine.call([] {}); });
                });
            }
        });
        threads.join();
        BOOST_CHECK_EQUAL(x.plain_count, 3 * rounds);
        BOOST_CHECK_EQUAL(y.plain_count, 3 * rounds);
    }
}

BOOST_AUTO_TEST_CASE(the_exact_interleaving_of_two_modules_that_call_each_other) {
    Runtime runtime;
    Module x, y;
    Event in_x, in_y;
    Threads threads;
    threads.start([&] {
        Attached attached;
        x.call([&] {
            in_x.set();
            in_y.wait();
            y.call([] {});
        });
    });
    threads.start([&] {
        Attached attached;
        y.call([&] {
            in_y.set();
            in_x.wait();
            x.call([] {});
        });
    });
    threads.join();
    BOOST_CHECK_EQUAL(x.plain_count, 2);
    BOOST_CHECK_EQUAL(y.plain_count, 2);
}

BOOST_AUTO_TEST_CASE(a_module_lock_is_given_up_while_detached_and_taken_again) {
    Runtime runtime;
    Module module;
    Attached attached;
    module.call([&] {
        BOOST_CHECK(own_slot()->module_lock == &module.lock);
        {
            Detached outside;
            BOOST_CHECK(own_slot()->module_lock == nullptr);
            BOOST_REQUIRE(module.lock.try_lock());
            module.lock.unlock(HandoffLock::Release::eager);
        }
        BOOST_CHECK(own_slot()->module_lock == &module.lock);
        BOOST_CHECK(!module.lock.try_lock());
    });
    BOOST_CHECK(module.lock.try_lock());
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_module_lock_holds_up_no_switch) {
    Points points;
    Runtime runtime;
    Module module;
    Mutex object;
    Event inside, go;
    Threads threads;
    threads.start([&] {
        Attached attached;
        module.call([&] {
            inside.set();
            Detached blocking;
            // Holds no lock now; the other one has it.
        });
        module.call([&] { safe_points_until([&] { return go.happened(); }); });
    });
    inside.wait();
    bool section_kept = false;
    threads.start([&] {
        Attached attached;
        CriticalSection section(object);
        module.call([&] { section_kept = !object.try_lock(); });
    });
    points.wait_for("module_lock.blocked");
    BOOST_CHECK(runtime.switch_to_locked("test").ok());
    go.set();
    threads.join();
    BOOST_CHECK(section_kept);
}

BOOST_AUTO_TEST_CASE(tallies_are_summed_over_threads_and_outlive_them) {
    Runtime runtime;
    constexpr std::size_t module_index = 70;  // in the second chunk
    const auto before = detail::sum_tallies(module_index);
    BOOST_CHECK_EQUAL(before.calls[0], 0u);
    for (int i = 0; i < 3; ++i)
        on_other_thread([&] {
            detail::ModuleTally* tally = detail::tally_of(own_slot(), module_index);
            BOOST_CHECK(tally == detail::tally_of(own_slot(), module_index));
            detail::bump(tally->calls[0], std::uint64_t{2});
            detail::bump(tally->calls[2], std::uint64_t{5});
            detail::bump(tally->ns_inside, std::uint64_t{10});
            detail::bump(tally->ns_waiting, std::uint64_t{1});
            detail::bump(tally->inside, 1u);
        });
    const auto sum = detail::sum_tallies(module_index);
    BOOST_CHECK_EQUAL(sum.calls[0], 6u);
    BOOST_CHECK_EQUAL(sum.calls[1], 0u);
    BOOST_CHECK_EQUAL(sum.calls[2], 15u);
    BOOST_CHECK_EQUAL(sum.ns_inside, 30u);
    BOOST_CHECK_EQUAL(sum.ns_waiting, 3u);
    BOOST_CHECK_EQUAL(sum.inside, 0u);  // a thread that has ended is not inside
    BOOST_CHECK_EQUAL(detail::sum_tallies(module_index + 1).calls[0], 0u);
    BOOST_CHECK_EQUAL(detail::sum_tallies(detail::max_modules - 1).calls[0], 0u);
}

BOOST_AUTO_TEST_CASE(tallies_may_be_read_while_they_are_made) {
    Runtime runtime;
    Event stop;
    Threads readers;
    readers.start([&] {
        while (!stop.happened()) detail::sum_tallies(1000);
    });
    for (int i = 0; i < 100; ++i)
        on_other_thread([] {
            for (const std::size_t module_index : {1000u, 3u, 16383u})
                detail::bump(detail::tally_of(own_slot(), module_index)->calls[1], std::uint64_t{1});
        });
    stop.set();
    readers.join();
    BOOST_CHECK_EQUAL(detail::sum_tallies(1000).calls[1], 100u);
}

BOOST_AUTO_TEST_CASE(waiting_until_a_module_is_empty) {
    Runtime runtime;
    constexpr std::size_t module_index = 5;
    BOOST_CHECK(detail::wait_until_outside(module_index, 0, 1));

    Event inside, go;
    std::atomic<bool> left{false};
    Threads threads;
    threads.start([&] {
        Attached attached;
        detail::ModuleTally* tally = detail::tally_of(own_slot(), module_index);
        detail::bump(tally->inside, 1u);
        inside.set();
        go.wait();
        left = true;
        tally->inside.store(0, std::memory_order_release);
    });
    inside.wait();
    BOOST_CHECK(!detail::wait_until_outside(module_index, 0, 1));

    // An attached caller is detached while it waits: a switch gets through.
    Event waited;
    bool empty = false, after = false, attached_again = false;
    threads.start([&] {
        Attached attached;
        detail::bump(detail::tally_of(own_slot(), module_index)->inside, 1u);
        empty = detail::wait_until_outside(module_index, 1, 0);
        after = left;
        attached_again = state_here() != detail::state_detached;
        detail::tally_of(own_slot(), module_index)->inside.store(0);
        waited.set();
    });
    go.set();
    threads.join();
    BOOST_CHECK(empty);
    BOOST_CHECK(after);
    BOOST_CHECK(attached_again);
}

BOOST_AUTO_TEST_CASE(gates_have_names) {
    BOOST_CHECK_EQUAL(gate_name(GateKind::none), "none");
    BOOST_CHECK_EQUAL(gate_name(GateKind::module_lock), "module_lock");
    BOOST_CHECK_EQUAL(gate_name(GateKind::global_lock), "global_lock");
}
