// The switch of the mode while eight threads are busy, beside what no switch can be quicker than: one membarrier(2),
// and one thread waking another.
//
// SPDX-License-Identifier: MIT
#include <condition_variable>
#include <mutex>

#include <interlock/gate.hpp>
#include <interlock/runtime.hpp>

#include "work.hpp"

using namespace interlock;
using namespace interlock::bench;

namespace {

constexpr int switches = 200, threads = 8;

double micros(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// Threads that run bodies of 10 us: half of them attach for each, half stay attached and reach safe points.
class Load {
public:
    explicit Load(std::uint64_t steps) {
        for (int i = 0; i < threads; ++i)
            started_.emplace_back([this, steps, i] {
                if (i % 2 == 0) {
                    while (!stop_.load(std::memory_order_relaxed)) {
                        Attached attached;
                        work(steps);
                    }
                    return;
                }
                Attached attached;
                while (!stop_.load(std::memory_order_relaxed)) {
                    work(steps);
                    safe_point();
                }
            });
    }
    ~Load() {
        stop_ = true;
        for (std::thread& thread : started_) thread.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::vector<std::thread> started_;
};

/// From waking a thread that waits until its answer, halved.
class WakeUp {
public:
    double measure() {
        std::unique_lock lock(mutex_);
        const auto begin = Clock::now();
        ping_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !ping_; });
        return micros(Clock::now() - begin) / 2;
    }
    ~WakeUp() {
        {
            std::lock_guard lock(mutex_);
            end_ = true;
        }
        changed_.notify_all();
        partner_.join();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ping_ = false, end_ = false;
    std::thread partner_{[this] {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ping_ || end_; });
            if (end_) return;
            ping_ = false;
            changed_.notify_all();
        }
    }};
};

}  // namespace

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    const std::uint64_t steps = steps_for(std::chrono::microseconds(10));
    Runtime runtime;
    std::vector<double> to_locked, to_parallel, membarrier, wake_up;
    {
        Load load(steps);
        WakeUp partner;
        for (int i = 0; i < switches; ++i) {
            const auto begin = Clock::now();
            if (!runtime.switch_to_locked("benchmark").ok()) return 1;
            const auto locked = Clock::now();
            runtime.switch_to_parallel();
            const auto parallel = Clock::now();
            detail::heavy_fence();
            const auto fenced = Clock::now();
            to_locked.push_back(micros(locked - begin));
            to_parallel.push_back(micros(parallel - locked));
            membarrier.push_back(micros(fenced - parallel));
            wake_up.push_back(partner.measure());
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    const double floor = median(membarrier) + median(wake_up);
    const std::string against = "membarrier + one wake-up";
    rows.add({"switch to locked, 8 busy threads: median of 200", median(to_locked), "us", against, floor,
              Target::value_at_most(2000)});
    rows.add({"switch to locked, 8 busy threads: 99 %", percentile(to_locked, 0.99), "us", against,
              percentile(membarrier, 0.99) + percentile(wake_up, 0.99)});
    rows.add({"switch to locked, 8 busy threads: worst of 200", percentile(to_locked, 1), "us", against,
              percentile(membarrier, 1) + percentile(wake_up, 1), Target::value_at_most(50000)});
    rows.add({"switch to parallel, 8 busy threads: median", median(to_parallel), "us", "one wake-up", median(wake_up)});
    rows.add({"switch to parallel, 8 busy threads: worst", percentile(to_parallel, 1), "us", "one wake-up",
              percentile(wake_up, 1)});

    std::vector<double> idle;
    for (int i = 0; i < switches; ++i) {
        const auto begin = Clock::now();
        if (!runtime.switch_to_locked("benchmark").ok()) return 1;
        idle.push_back(micros(Clock::now() - begin));
        runtime.switch_to_parallel();
    }
    rows.add({"switch to locked, nobody attached: median", median(idle), "us"});
}
