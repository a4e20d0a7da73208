// Threads, events and checkers for the tests of the runtime. Nothing here sleeps or waits for a time: an event that
// never comes ends in the time-out of CTest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <functional>
#include <latch>
#include <list>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <interlock/thread.hpp>

namespace interlock::testing {

/// Happens once; wait() returns when it has. [any-thread]
class Event {
public:
    void set() {
        happened_.store(true, std::memory_order_release);
        happened_.notify_all();
    }
    void wait() const { happened_.wait(false, std::memory_order_acquire); }
    bool happened() const { return happened_.load(std::memory_order_acquire); }

private:
    std::atomic<bool> happened_{false};
};

/// Threads that are joined at the end of the scope.
class Threads {
public:
    Threads() = default;
    ~Threads() { join(); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    template <typename Function>
    void start(Function function) {
        threads_.emplace_back(std::move(function));
    }
    /// Several that begin at once.
    template <typename Function>
    void start(int count, Function function) {
        auto line = std::make_shared<std::latch>(count);
        for (int i = 0; i < count; ++i)
            threads_.emplace_back([=]() mutable {
                line->arrive_and_wait();
                function(i);
            });
    }
    void join() {
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

private:
    std::list<std::thread> threads_;  // a vector of them makes gcc 12 warn of array bounds
};

/// Runs something on a thread of its own and waits for it.
inline void on_other_thread(const std::function<void()>& function) { std::thread(function).join(); }

inline detail::ThreadState state_here() {
    return static_cast<detail::ThreadState>(detail::own_slot()->state.load(std::memory_order_relaxed));
}
inline bool holds_global_lock() { return state_here() == detail::state_locked; }

/// Runs safe points until the condition holds. For attached threads, which must not block.
template <typename Condition>
void safe_points_until(Condition condition) {
    while (!condition()) safe_point();
}

/// The invariant of the runtime: a thread that is attached with the global lock is alone, without it in the company of
/// its like. Call enter() after each attach or safe point, leave() before the next detach or safe point.
class Exclusion {
public:
    void enter() {
        alone_ = holds_global_lock();
        const long before = inside_.fetch_add(alone_ ? lone : 1, std::memory_order_relaxed);
        if (before >= lone || (alone_ && before != 0)) violations_.fetch_add(1, std::memory_order_relaxed);
        // Plain variables: without mutual exclusion their sum is wrong, and ThreadSanitizer reports a race.
        if (alone_) ++count_alone_;
    }
    void leave() { inside_.fetch_sub(alone_ ? lone : 1, std::memory_order_relaxed); }

    long violations() const { return violations_.load(); }
    /// How often a thread was alone inside; only when no thread runs any more.
    long count_alone() const { return count_alone_; }

private:
    static constexpr long lone = 1'000'000;
    static inline thread_local bool alone_ = false;
    std::atomic<long> inside_{0};
    std::atomic<long> violations_{0};
    long count_alone_ = 0;
};

}  // namespace interlock::testing
