// Throughput of bodies of 10 us: in locked mode with eight threads against one, in parallel mode with two threads
// against one, and std::mutex in the role of the global lock.
//
// SPDX-License-Identifier: MIT
#include <interlock/runtime.hpp>
#include <mutex>

#include "work.hpp"

using namespace interlock;
using namespace interlock::bench;

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    constexpr int repetitions = 9;
    constexpr std::chrono::milliseconds time(150);
    const std::uint64_t steps = steps_for(std::chrono::microseconds(10));
    const auto attached_work = [steps] {
        Attached attached;
        work(steps);
    };
    std::mutex mutex;
    const auto mutex_work = [steps, &mutex] {
        std::lock_guard guard(mutex);
        work(steps);
    };

    Runtime runtime;
    std::vector<double> locked, locked_value, mutexed, parallel, bare, bare_2, parallel_value, mutex_value, one_value;
    // Interleaved, and each ratio within one repetition: what else the machine does changes slowly.
    for (int i = 0; i < repetitions; ++i) {
        if (!runtime.switch_to_locked("benchmark").ok()) return 1;
        const double locked_1 = calls_per_second(1, time, attached_work);
        const double locked_8 = calls_per_second(8, time, attached_work);
        runtime.switch_to_parallel();
        const double mutex_1 = calls_per_second(1, time, mutex_work);
        const double mutex_8 = calls_per_second(8, time, mutex_work);
        const double parallel_1 = calls_per_second(1, time, attached_work);
        const double parallel_2 = calls_per_second(2, time, attached_work);
        const double bare_one = calls_per_second(1, time, [steps] { work(steps); });
        const double bare_two = calls_per_second(2, time, [steps] { work(steps); });
        locked.push_back(locked_8 / locked_1);
        locked_value.push_back(locked_8);
        mutexed.push_back(mutex_8 / mutex_1);
        mutex_value.push_back(mutex_8);
        parallel.push_back(parallel_2 / parallel_1);
        parallel_value.push_back(parallel_2);
        one_value.push_back(parallel_1);
        bare.push_back(bare_one);
        bare_2.push_back(bare_two / bare_one);
    }
    const auto row = [&](const char* what, const std::vector<double>& values, const std::vector<double>& ratios,
                         const char* against, Target target) {
        const double value = median(values);
        rows.add({what, value, "calls/s", against, value / median(ratios), target});
    };
    row("locked mode, 8 threads, bodies of 10 us", locked_value, locked, "one thread", Target::ratio_at_least(0.95));
    row("std::mutex instead, 8 threads", mutex_value, mutexed, "one thread", {});
    row("parallel mode, 2 threads, bodies of 10 us", parallel_value, parallel, "one thread",
        Target::ratio_at_least(1.9));
    rows.add({"the same bodies without attach, 2 threads", median(bare) * median(bare_2), "calls/s", "one thread",
              median(bare)});
    rows.add({"parallel mode, 1 thread", median(one_value), "calls/s", "without attach", median(bare)});
}
