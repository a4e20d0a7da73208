// The switch between the modes: what it waits for and what not, several at once, and what happens at a deadline. The
// interleavings are exact: threads are held at the runtime's own points, nothing depends on time.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_switch
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <interlock/runtime.hpp>
#include <string>

#include "points.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using std::chrono::milliseconds;

namespace {

SwitchReport to_locked(Runtime& runtime) { return runtime.switch_to_locked("test").value(); }

/// A thread that is attached and reaches no safe point until it is let go.
class StuckThread {
public:
    StuckThread() {
        thread_.start([this] {
            pthread_setname_np(pthread_self(), "stuck");
            Attached attached;
            os_thread_ = syscall(SYS_gettid);
            detail::own_slot()->site.store(&site_);
            inside_.set();
            go_.wait();
            still_free_ = state_here() == detail::state_free;
            detail::own_slot()->site.store(nullptr);
        });
        inside_.wait();
    }
    ~StuckThread() { let_go(); }
    void let_go() { go_.set(); }
    bool join_and_was_free() {
        let_go();
        thread_.join();
        return still_free_;
    }
    long os_thread() const { return os_thread_; }
    std::string described() const {
        return "thread " + std::to_string(os_thread_) + " (stuck) in function 'spin' of module 'legacy.tok'";
    }

private:
    static inline const CallSite site_{"legacy.tok", "spin"};
    Event inside_, go_;
    long os_thread_ = 0;
    bool still_free_ = false;
    Threads thread_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(requests_are_counted) {
    Runtime runtime;
    BOOST_CHECK(to_locked(runtime).switched);
    BOOST_CHECK(!to_locked(runtime).switched);
    BOOST_CHECK(runtime.mode() == Mode::locked);
    BOOST_CHECK_EQUAL(runtime.stats().holds, 2u);
    BOOST_CHECK(!runtime.switch_to_parallel());
    BOOST_CHECK(runtime.mode() == Mode::locked);
    BOOST_CHECK(runtime.switch_to_parallel());
    BOOST_CHECK(runtime.mode() == Mode::parallel);
    BOOST_CHECK_EXCEPTION(runtime.switch_to_parallel(), Failure, [](const Failure& failure) {
        return failure.error().code == Errc::wrong_state &&
               std::string(failure.what()) ==
                   "switch_to_parallel() was called more often than switch_to_locked() succeeded";
    });
    const RuntimeStats stats = runtime.stats();
    BOOST_CHECK_EQUAL(stats.switches_to_locked, 1u);
    BOOST_CHECK_EQUAL(stats.switches_to_parallel, 1u);
    BOOST_CHECK_EQUAL(stats.holds, 0u);
    BOOST_CHECK_GT(stats.last_switch.count(), 0);
    BOOST_CHECK_EQUAL(stats.last_switch.count(), stats.longest_switch.count());
    BOOST_CHECK(to_locked(runtime).switched);
}

BOOST_AUTO_TEST_CASE(an_attached_thread_may_switch) {
    Runtime runtime;
    Attached one;
    Attached two;
    BOOST_CHECK(to_locked(runtime).switched);
    BOOST_CHECK(holds_global_lock());
    BOOST_CHECK_EQUAL(detail::own_slot()->depth, 2u);
    BOOST_CHECK(runtime.switch_to_parallel());
    BOOST_CHECK_EQUAL(state_here(), detail::state_free);
    BOOST_CHECK_EQUAL(detail::own_slot()->depth, 2u);
}

BOOST_AUTO_TEST_CASE(a_switch_does_not_wait_for_a_detached_thread) {
    Runtime runtime;
    Event detached, go;
    bool came_back_locked = false;
    Threads threads;
    threads.start([&] {
        Attached attached;
        {
            Detached blocking;
            detached.set();
            go.wait();
        }
        came_back_locked = holds_global_lock();
    });
    detached.wait();
    BOOST_CHECK(to_locked(runtime).switched);  // would never return if it waited
    go.set();
    threads.join();
    BOOST_CHECK(came_back_locked);
}

BOOST_AUTO_TEST_CASE(a_switch_waits_for_an_attached_thread) {
    // Several rounds: a runtime that does not wait could be lucky once.
    for (int round = 0; round < 10; ++round) {
        Points points;
        Runtime runtime;
        StuckThread stuck;
        Event switched;
        points.hold("switch.before_wait");
        Threads threads;
        bool gone_before = false;
        std::atomic<bool> left{false};
        threads.start([&] {
            to_locked(runtime);
            gone_before = left.load();
            switched.set();
        });
        points.wait_for("switch.before_wait");
        BOOST_CHECK(runtime.mode() == Mode::locked);
        points.release("switch.before_wait");
        // Others can only queue for the global lock now, behind the switch.
        bool locked_outside = false;
        threads.start([&] {
            Attached attached;
            locked_outside = holds_global_lock() && left.load();
        });
        points.wait_for("enter.before_global_lock");
        BOOST_CHECK(!switched.happened());
        left.store(true);
        BOOST_CHECK(stuck.join_and_was_free());
        threads.join();
        BOOST_CHECK(gone_before);
        BOOST_CHECK(locked_outside);
    }
}

BOOST_AUTO_TEST_CASE(a_switch_is_over_when_attached_threads_reach_a_safe_point) {
    Points points;
    Runtime runtime;
    Event attached;
    bool hit = false;
    Threads threads;
    threads.start([&] {
        Attached guard;
        attached.set();
        while (runtime.mode() == Mode::parallel) {
        }
        // Bounded, so that a runtime without safe points fails here instead of running for ever.
        for (int i = 0; i < 1000 && !hit; ++i) {
            safe_point();
            hit = holds_global_lock();
        }
    });
    attached.wait();
    BOOST_CHECK(to_locked(runtime).switched);
    threads.join();
    BOOST_CHECK(hit);
    BOOST_CHECK_EQUAL(points.arrivals("safe_point.yield"), 1);
}

BOOST_AUTO_TEST_CASE(two_threads_that_switch_at_once) {
    Points points;
    Runtime runtime;
    points.hold("switch.before_mode");
    std::atomic<int> switched{0}, locked{0};
    Threads threads;
    const auto ask = [&] {
        if (to_locked(runtime).switched) ++switched;
        if (runtime.mode() == Mode::locked) ++locked;
    };
    threads.start(ask);
    points.wait_for("switch.before_mode");
    threads.start(ask);
    points.wait_for("switch.queued");
    BOOST_CHECK(runtime.mode() == Mode::parallel);
    points.release("switch.before_mode");
    threads.join();
    BOOST_CHECK_EQUAL(switched, 1);
    BOOST_CHECK_EQUAL(locked, 2);
    BOOST_CHECK_EQUAL(runtime.stats().holds, 2u);
}

BOOST_AUTO_TEST_CASE(two_attached_threads_that_switch_at_once) {
    Runtime runtime;
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> attached{0}, switched{0}, locked{0};
        Threads threads;
        threads.start(2, [&](int) {
            Attached guard;
            ++attached;
            while (attached != 2) {
            }
            if (to_locked(runtime).switched) ++switched;
            if (holds_global_lock()) ++locked;
            Detached outside;
            runtime.switch_to_parallel();
        });
        threads.join();
        // The second may come when the first has gone back already.
        BOOST_REQUIRE_GE(switched, 1);
        BOOST_REQUIRE_EQUAL(locked, 2);
        BOOST_REQUIRE(runtime.mode() == Mode::parallel);
    }
}

BOOST_AUTO_TEST_CASE(a_stall_is_reported_with_thread_module_and_function) {
    StallReport seen;
    StuckThread* stuck = nullptr;
    Runtime runtime({.stall_report = milliseconds(1), .on_stall = [&](const StallReport& report) {
                         seen = report;
                         stuck->let_go();
                     }});
    StuckThread thread;
    stuck = &thread;
    const Result<SwitchReport> report = runtime.switch_to_locked("to load module 'x'");
    BOOST_REQUIRE(report.ok());
    BOOST_CHECK(report->switched);
    BOOST_REQUIRE_EQUAL(seen.holders.size(), 1u);
    BOOST_CHECK_EQUAL(seen.reason, "to load module 'x'");
    BOOST_CHECK_GE(seen.waited.count(), 1);
    BOOST_CHECK_EQUAL(seen.holders[0].os_thread, thread.os_thread());
    BOOST_CHECK_EQUAL(seen.holders[0].thread_name, "stuck");
    BOOST_CHECK_EQUAL(seen.holders[0].module, "legacy.tok");
    BOOST_CHECK_EQUAL(seen.holders[0].function, "spin");
    BOOST_CHECK_EQUAL(
        seen.text(), "switching to locked mode (to load module 'x') has waited " + std::to_string(seen.waited.count()) +
                         " ms for " + thread.described() +
                         "; a loop that runs long should call il_safe_point(), and work that blocks belongs between "
                         "IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS");
    BOOST_CHECK_EQUAL(runtime.stats().stalls_reported, 1u);
}

BOOST_AUTO_TEST_CASE(the_text_of_a_stall_escapes_names_and_lists_all) {
    StallReport report{.reason = "a\nb", .waited = milliseconds(7), .holders = {}};
    report.holders.push_back({.os_thread = 1, .thread_name = "", .module = "", .function = ""});
    report.holders.push_back({.os_thread = 2, .thread_name = "x\033", .module = "m\n", .function = "f"});
    const std::string text = report.text();
    BOOST_CHECK_EQUAL(text.substr(0, text.find(';')),
                      "switching to locked mode (a\\nb) has waited 7 ms for thread 1 in code of the host, "
                      "thread 2 (x\\x1b) in function 'f' of module 'm\\n'");
}

BOOST_AUTO_TEST_CASE(a_switch_that_misses_its_deadline_leaves_the_runtime_parallel) {
    Points points;
    Runtime runtime;
    StuckThread stuck;
    // Meets the failing switch, waits for the global lock, and has to go on in parallel after it.
    Event came_in;
    bool free_inside = false;
    Threads threads;
    points.hold("switch.before_wait");
    Result<SwitchReport> report = SwitchReport{};
    threads.start([&] { report = runtime.switch_to_locked("test", milliseconds(1)); });
    points.wait_for("switch.before_wait");
    threads.start([&] {
        Attached attached;
        free_inside = state_here() == detail::state_free;
        came_in.set();
    });
    points.wait_for("enter.before_global_lock");
    points.release("switch.before_wait");
    came_in.wait();  // while the stuck thread is attached
    BOOST_CHECK(stuck.join_and_was_free());
    threads.join();
    BOOST_CHECK(free_inside);
    BOOST_REQUIRE(!report.ok());
    BOOST_CHECK_EQUAL(errc_name(report.error().code), "switch_timeout");
    BOOST_CHECK_EQUAL(report.error().message,
                      "switching to locked mode (test) gave up after 1 ms, held up by " + stuck.described() +
                          "; the runtime is parallel as before. Add il_safe_point() to long loops, or allow more time");
    BOOST_CHECK(runtime.mode() == Mode::parallel);
    const RuntimeStats stats = runtime.stats();
    BOOST_CHECK_EQUAL(stats.holds, 0u);
    BOOST_CHECK_EQUAL(stats.failed_switches, 1u);
    BOOST_CHECK_EQUAL(stats.switches_to_locked, 0u);
    BOOST_CHECK(to_locked(runtime).switched);
}

BOOST_AUTO_TEST_CASE(a_switch_that_finds_another_one_under_way_gives_up_at_its_deadline) {
    Points points;
    Runtime runtime;
    points.hold("switch.before_mode");
    Threads threads;
    threads.start([&] { to_locked(runtime); });
    points.wait_for("switch.before_mode");
    const Result<SwitchReport> report = runtime.switch_to_locked("test", milliseconds(1));
    BOOST_REQUIRE(!report.ok());
    BOOST_CHECK_EQUAL(report.error().message,
                      "switching to locked mode (test) gave up after 1 ms, because another switch of the mode had not "
                      "finished");
    BOOST_CHECK_EQUAL(errc_name(report.error().code), "switch_timeout");
    points.release("switch.before_mode");
    threads.join();
    BOOST_CHECK_EQUAL(runtime.stats().holds, 1u);
    BOOST_CHECK_EQUAL(runtime.stats().failed_switches, 1u);
}

BOOST_AUTO_TEST_CASE(the_second_switch_goes_on_when_the_first_has_failed) {
    Points points;
    Runtime runtime;
    StuckThread stuck;
    points.hold("switch.before_wait");
    bool failed = false, switched = false;
    Threads threads;
    threads.start([&] { failed = !runtime.switch_to_locked("first", milliseconds(0)).ok(); });
    points.wait_for("switch.before_wait");
    threads.start([&] { switched = to_locked(runtime).switched; });
    points.wait_for("switch.queued");
    points.release("switch.before_wait");
    points.wait_for("switch.before_wait", 2);
    stuck.let_go();
    threads.join();
    BOOST_CHECK(failed);
    BOOST_CHECK(switched);
    BOOST_CHECK_EQUAL(runtime.stats().holds, 1u);
}

BOOST_AUTO_TEST_CASE(deadlines_at_the_ends_of_the_range) {
    Runtime runtime;
    for (const milliseconds deadline : {milliseconds::max(), milliseconds(std::chrono::years(200)), milliseconds(0),
                                        milliseconds(-1), milliseconds::min() / 1'000'000}) {
        // Nobody is attached, so even a deadline in the past is met.
        BOOST_CHECK(runtime.switch_to_locked("test", deadline).ok());
        BOOST_CHECK(runtime.switch_to_parallel());
    }
}

BOOST_AUTO_TEST_CASE(an_exception_from_on_stall_ends_the_switch_and_the_runtime_is_parallel) {
    Runtime runtime({.stall_report = milliseconds(1),
                     .on_stall = [](const StallReport&) { throw std::runtime_error("no patience"); }});
    StuckThread stuck;
    BOOST_CHECK_EXCEPTION(to_locked(runtime), std::runtime_error,
                          [](const auto& error) { return std::string(error.what()) == "no patience"; });
    BOOST_CHECK(runtime.mode() == Mode::parallel);
    BOOST_CHECK_EQUAL(runtime.stats().holds, 0u);
    BOOST_CHECK_EQUAL(runtime.stats().failed_switches, 1u);
    on_other_thread([] { Attached attached; });  // the global lock is free, and not needed
    BOOST_CHECK(stuck.join_and_was_free());
    BOOST_CHECK(to_locked(runtime).switched);
}

BOOST_AUTO_TEST_CASE(attaching_or_switching_inside_on_stall_is_an_error) {
    std::string attach_error, switch_error;
    StuckThread* stuck = nullptr;
    Runtime* used = nullptr;
    Runtime runtime({.stall_report = milliseconds(1), .on_stall = [&](const StallReport&) {
                         try {
                             Attached attached;
                         } catch (const Failure& failure) {
                             attach_error = failure.what();
                         }
                         try {
                             used->switch_to_parallel();
                         } catch (const Failure& failure) {
                             switch_error = failure.what();
                         }
                         stuck->let_go();
                     }});
    used = &runtime;
    StuckThread thread;
    stuck = &thread;
    BOOST_CHECK(to_locked(runtime).switched);
    BOOST_CHECK_EQUAL(attach_error,
                      "a thread tried to attach inside RuntimeOptions::on_stall; nobody can attach until the switch "
                      "that it reports is over");
    BOOST_CHECK_EQUAL(switch_error,
                      "the mode was to be switched inside RuntimeOptions::on_stall, in the middle of the switch that "
                      "it reports");
    Attached attached;
    BOOST_CHECK(holds_global_lock());
}

BOOST_AUTO_TEST_CASE(who_waited_for_the_global_lock_goes_on_without_it_in_parallel_mode) {
    Points points;
    Runtime runtime;
    to_locked(runtime);
    points.hold("enter.before_global_lock");
    Event inside, go;
    bool free_inside = false;
    Threads threads;
    threads.start([&] {
        Attached attached;
        free_inside = state_here() == detail::state_free;
        inside.set();
        go.wait();
    });
    points.wait_for("enter.before_global_lock");
    BOOST_CHECK(runtime.switch_to_parallel());
    points.release("enter.before_global_lock");
    inside.wait();
    BOOST_CHECK(free_inside);
    if (free_inside) Attached in_company;  // otherwise it would wait for a lock that is not given back
    go.set();
}

BOOST_AUTO_TEST_CASE(a_thread_attached_across_a_switch_and_back_follows_the_mode) {
    Runtime runtime({.switch_interval = std::chrono::microseconds(100)});
    Event stop;
    std::atomic<int> seen_locked{0}, seen_free{0};
    Threads threads;
    threads.start([&] {
        Attached attached;
        safe_points_until([&] {
            ++(holds_global_lock() ? seen_locked : seen_free);
            return stop.happened();
        });
    });
    for (int round = 0; round < 5; ++round) {
        const int before_free = seen_free;
        while (seen_free == before_free) std::this_thread::yield();
        to_locked(runtime);
        const int before_locked = seen_locked;
        while (seen_locked == before_locked) std::this_thread::yield();
        runtime.switch_to_parallel();
    }
    stop.set();
}

BOOST_AUTO_TEST_CASE(who_waits_for_the_global_lock_of_a_runtime_that_ends_gets_an_error) {
    Points points;
    auto runtime = std::make_unique<Runtime>(RuntimeOptions{.gil = GilSetting::on});
    points.hold("enter.before_global_lock");
    std::string error;
    Threads threads;
    threads.start([&] {
        try {
            Attached attached;
        } catch (const Failure& failure) {
            error = errc_name(failure.error().code);
        }
    });
    points.wait_for("enter.before_global_lock");
    runtime.reset();
    points.release("enter.before_global_lock");
    threads.join();
    BOOST_CHECK_EQUAL(error, "wrong_state");
}

BOOST_AUTO_TEST_CASE(the_end_of_a_runtime_waits_for_attached_threads) {
    auto runtime = std::make_unique<Runtime>();
    StuckThread stuck;
    std::atomic<bool> left{false};
    bool ended_after = false;
    Threads threads;
    threads.start([&] {
        runtime.reset();
        ended_after = left.load();
    });
    while (detail::mode_cell.word.load() != detail::mode_none) std::this_thread::yield();
    left.store(true);
    BOOST_CHECK(stuck.join_and_was_free());
    threads.join();
    BOOST_CHECK(ended_after);
}
