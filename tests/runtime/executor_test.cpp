// The executor: results, exceptions, nesting, tasks, switches.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_executor
#include <boost/test/unit_test.hpp>

#include <interlock/runtime.hpp>
#include <numeric>
#include <string>

#include "points.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using detail::own_slot;

namespace {

int fibonacci(Runtime& runtime, int n) {
    if (n < 2) return n;
    Task<int> first = runtime.submit([&, n] { return fibonacci(runtime, n - 1); });
    const int second = fibonacci(runtime, n - 2);
    return first.get() + second;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_item_once) {
    for (const unsigned threads : {1u, 2u, 3u, 8u})
        for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
            Runtime runtime({.gil = gil, .threads = threads});
            for (const std::size_t begin : {0u, 5u})
                for (const std::size_t size : {0u, 1u, 2u, 3u, 100u, 1001u})
                    for (const std::size_t grain : {0u, 1u, 7u, 5000u}) {
                        std::vector<std::atomic<int>> count(begin + size + 1);
                        std::atomic<bool> all_attached{true};
                        runtime.parallel_for(
                            begin, begin + size,
                            [&](std::size_t i) {
                                ++count[i];
                                if (!is_attached()) all_attached = false;
                            },
                            grain);
                        for (std::size_t i = 0; i < count.size(); ++i)
                            BOOST_REQUIRE_EQUAL(count[i], i >= begin && i < begin + size ? 1 : 0);
                        BOOST_REQUIRE(all_attached);
                        BOOST_REQUIRE(!is_attached());
                    }
        }
}

BOOST_AUTO_TEST_CASE(an_empty_or_reversed_range_is_nothing) {
    Runtime runtime;
    runtime.parallel_for(3, 3, [](std::size_t) { throw 1; });
    runtime.parallel_for(3, 2, [](std::size_t) { throw 1; });
    runtime.parallel_for_each(std::vector<int>{}, [](int) { throw 1; });
}

BOOST_AUTO_TEST_CASE(chunks_are_not_larger_than_the_grain) {
    Runtime runtime({.threads = 4});
    struct Seen {
        std::mutex mutex;
        std::size_t largest = 0, sum = 0;
    } seen;
    runtime.run_chunks(
        0, 1000, 16,
        [](void* context, std::size_t first, std::size_t last) {
            auto& record = *static_cast<Seen*>(context);
            std::lock_guard lock(record.mutex);
            record.largest = std::max(record.largest, last - first);
            record.sum += last - first;
        },
        &seen);
    BOOST_CHECK_LE(seen.largest, 16u);
    BOOST_CHECK_EQUAL(seen.sum, 1000u);
}

BOOST_AUTO_TEST_CASE(items_of_ranges) {
    Runtime runtime;
    std::vector<std::string> words(300, "x");
    runtime.parallel_for_each(words, [](std::string& word) { word += "y"; });
    BOOST_CHECK_EQUAL(std::accumulate(words.begin(), words.end(), std::string()).size(), 600u);
    int numbers[] = {1, 2, 3};
    std::atomic<int> sum{0};
    runtime.parallel_for_each(numbers, [&](int number) { sum += number; });
    BOOST_CHECK_EQUAL(sum, 6);
}

BOOST_AUTO_TEST_CASE(an_exception_comes_out_and_the_runtime_goes_on) {
    for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
        Runtime runtime({.gil = gil, .threads = 4});
        for (const bool attached_caller : {false, true}) {
            std::optional<Attached> attached;
            if (attached_caller) attached.emplace();
            BOOST_CHECK_EXCEPTION(runtime.parallel_for(0, 1000,
                                                       [](std::size_t i) {
                                                           if (i % 100 == 37)
                                                               throw std::runtime_error("item " + std::to_string(i));
                                                       }),
                                  std::runtime_error, [](const auto& error) {
                                      return std::string(error.what()).starts_with("item ") &&
                                             std::string(error.what()).ends_with("37");
                                  });
            BOOST_CHECK_EQUAL(is_attached(), attached_caller);
        }
        BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
        std::atomic<int> count{0};
        runtime.parallel_for(0, 100, [&](std::size_t) { ++count; });
        BOOST_CHECK_EQUAL(count, 100);
    }
}

BOOST_AUTO_TEST_CASE(nested_loops_with_detach_inside) {
    for (const unsigned threads : {1u, 2u, 6u})
        for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
            Runtime runtime({.gil = gil, .threads = threads});
            std::atomic<int> count{0};
            std::atomic<int> wrong_depth{0};
            const auto check = [&](bool attached) {
                if (is_attached() != attached) ++wrong_depth;
            };
            Attached attached;
            runtime.parallel_for(0, 6, [&](std::size_t) {
                Attached nested;
                const std::uint32_t depth = own_slot()->depth;
                runtime.parallel_for(0, 6, [&](std::size_t) {
                    check(true);
                    Detached outside;
                    check(false);
                    runtime.parallel_for(0, 6, [&](std::size_t) {
                        Detached inner;
                        Attached again;
                        check(true);
                        ++count;
                    });
                    check(false);
                });
                if (own_slot()->depth != depth) ++wrong_depth;
            });
            BOOST_CHECK_EQUAL(count, 6 * 6 * 6);
            BOOST_CHECK_EQUAL(wrong_depth, 0);
            BOOST_CHECK(is_attached());
        }
}

BOOST_AUTO_TEST_CASE(tasks) {
    Runtime runtime;
    BOOST_CHECK_EQUAL(runtime.submit([] { return is_attached() ? 1 : 0; }).get(), 1);
    int done = 0;
    runtime.submit([&] { done = 1; }).get();
    BOOST_CHECK_EQUAL(done, 1);
    auto owned = std::make_unique<int>(5);
    BOOST_CHECK_EQUAL(*runtime.submit([moved = std::move(owned)]() mutable { return std::move(moved); }).get(), 5);
    Task<int> failing = runtime.submit([]() -> int { throw std::runtime_error("in the task"); });
    BOOST_CHECK_EXCEPTION(failing.get(), std::runtime_error,
                          [](const auto& error) { return std::string(error.what()) == "in the task"; });
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}

BOOST_AUTO_TEST_CASE(a_task_that_nobody_waits_for_runs_without_help_and_before_the_end) {
    for (const unsigned threads : {1u, 2u, 5u}) {
        Event ran;
        std::atomic<int> count{0};
        {
            Runtime runtime({.threads = threads});
            static_cast<void>(runtime.submit([&] { ran.set(); }));
            ran.wait();
            for (int i = 0; i < 50; ++i) static_cast<void>(runtime.submit([&] { ++count; }));
        }
        BOOST_CHECK_EQUAL(count, 50);
    }
}

BOOST_AUTO_TEST_CASE(waiting_for_tasks_inside_tasks_and_bodies) {
    for (const unsigned threads : {1u, 2u, 4u})
        for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
            Runtime runtime({.gil = gil, .threads = threads});
            Attached attached;
            BOOST_CHECK_EQUAL(fibonacci(runtime, 12), 144);
            std::atomic<int> sum{0};
            runtime.parallel_for(
                0, 16, [&](std::size_t i) { sum += runtime.submit([i] { return static_cast<int>(i); }).get(); }, 1);
            BOOST_CHECK_EQUAL(sum, 120);
        }
}

BOOST_AUTO_TEST_CASE(more_threads_than_cpus) {
    const unsigned threads = std::thread::hardware_concurrency() * 2 + 2;
    Runtime runtime({.threads = threads});
    BOOST_CHECK_EQUAL(runtime.threads(), threads);
    // Each body waits for all others, so each needs a thread of its own.
    std::latch all(static_cast<std::ptrdiff_t>(threads));
    runtime.parallel_for(
        0, threads,
        [&](std::size_t) {
            Detached outside;
            all.arrive_and_wait();
        },
        1);
    BOOST_CHECK(all.try_wait());
}

BOOST_AUTO_TEST_CASE(switches_while_loops_run) {
    constexpr int switches = 30;
    Runtime runtime({.threads = 4, .switch_interval = std::chrono::microseconds(100)});
    Exclusion exclusion;
    Event stop;
    std::atomic<long> items{0};
    Threads threads;
    threads.start(2, [&](int) {
        while (!stop.happened())
            runtime.parallel_for(0, 500, [&](std::size_t) {
                exclusion.enter();
                items.fetch_add(1, std::memory_order_relaxed);
                items.notify_one();
                exclusion.leave();
            });
    });
    for (int i = 0; i < switches; ++i) {
        BOOST_REQUIRE(runtime.switch_to_locked("test").value().switched);
        for (const long before = items; items == before;) items.wait(before);
        BOOST_REQUIRE(runtime.switch_to_parallel());
        for (const long before = items; items == before;) items.wait(before);
    }
    stop.set();
    threads.join();
    BOOST_CHECK_EQUAL(exclusion.violations(), 0);
    BOOST_CHECK_GT(exclusion.count_alone(), 0);
}

BOOST_AUTO_TEST_CASE(a_switch_inside_a_body) {
    Runtime runtime({.threads = 4});
    std::atomic<int> locked{0};
    runtime.parallel_for(
        0, 50,
        [&](std::size_t) {
            if (!runtime.switch_to_locked("body").ok()) return;
            locked += holds_global_lock();
            runtime.switch_to_parallel();
        },
        1);
    BOOST_CHECK_EQUAL(locked, 50);
    BOOST_CHECK(runtime.mode() == Mode::parallel);
}

BOOST_AUTO_TEST_CASE(an_exception_comes_out_when_the_others_have_ended_and_stops_the_rest) {
    Points points;
    Runtime runtime({.threads = 2});
    std::latch both(2);
    std::atomic<int> begun{0};
    std::atomic<bool> other_is_done{false};
    const auto caller = std::this_thread::get_id();
    BOOST_CHECK_THROW(runtime.parallel_for(
                          0, 100,
                          [&](std::size_t) {
                              ++begun;
                              both.arrive_and_wait();
                              if (std::this_thread::get_id() == caller) throw std::runtime_error("first");
                              points.wait_for("executor.waiting");
                              other_is_done = true;
                          },
                          1),
                      std::runtime_error);
    BOOST_CHECK(other_is_done);
    BOOST_CHECK_EQUAL(begun, 2);
}

BOOST_AUTO_TEST_CASE(threads_without_end_are_cut_off) {
    const Runtime runtime({.threads = ~0u});
    BOOST_CHECK_EQUAL(runtime.threads(), 1024u);
}

BOOST_AUTO_TEST_CASE(loops_from_several_threads_at_once) {
    Runtime runtime({.threads = 2});
    std::atomic<long> sum{0};
    Threads threads;
    threads.start(6, [&](int) {
        for (int i = 0; i < 30; ++i) {
            Attached attached;
            runtime.parallel_for(0, 100, [&](std::size_t) { ++sum; });
        }
    });
    threads.join();
    BOOST_CHECK_EQUAL(sum, 6 * 30 * 100);
}
