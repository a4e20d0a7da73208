// The body of a module function in the benchmarks: some microseconds of arithmetic, measured once as a number of steps,
// so that it is the same work however busy the machine is.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "rows.hpp"

namespace interlock::bench {

using Clock = std::chrono::steady_clock;

[[gnu::noinline]] inline std::uint64_t work(std::uint64_t steps) {
    std::uint64_t value = steps;
    for (std::uint64_t i = 0; i < steps; ++i) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        asm volatile("" : "+r"(value));
    }
    return value;
}

/// How many steps take so long when nothing disturbs: the best of many tries.
inline std::uint64_t steps_for(std::chrono::nanoseconds time) {
    constexpr std::uint64_t probe = 10000;
    double best = 1e18;
    for (int i = 0; i < 200; ++i) {
        const auto begin = Clock::now();
        work(probe);
        best = std::min(best, std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
    }
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(time.count()) / best * probe));
}

/// Calls per second of `body`, which several threads repeat for some time.
template <typename Body>
double calls_per_second(int threads, std::chrono::milliseconds time, Body body) {
    struct alignas(128) Count {
        std::atomic<std::uint64_t> calls{0};
    };
    std::vector<Count> counts(static_cast<std::size_t>(threads));
    std::atomic<int> running{0};
    std::atomic<bool> stop{false};
    std::vector<std::thread> started;
    for (Count& count : counts)
        started.emplace_back([&] {
            ++running;
            std::uint64_t calls = 0;
            while (!stop.load(std::memory_order_relaxed)) {
                body();
                count.calls.store(++calls, std::memory_order_relaxed);
            }
        });
    const auto sum = [&] {
        std::uint64_t all = 0;
        for (const Count& count : counts) all += count.calls.load(std::memory_order_relaxed);
        return all;
    };
    while (running != threads) std::this_thread::yield();
    const std::uint64_t before = sum();
    const auto begin = Clock::now();
    std::this_thread::sleep_for(time);
    const std::uint64_t after = sum();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    stop.store(true);
    for (std::thread& thread : started) thread.join();
    return static_cast<double>(after - before) / seconds;
}

}  // namespace interlock::bench
