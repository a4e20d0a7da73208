// Threads, events and checkers for the tests of the runtime. Nothing here sleeps or waits for a time: an event that
// never comes ends in the time-out of CTest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <latch>
#include <list>
#include <memory>
#include <mutex>
#include <source_location>
#include <stdexcept>
#include <string>
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

/// For what runs beside the thread of the test: Boost.Test's macros are for one thread at a time. Throws if the
/// condition does not hold; Threads::join() gives it to the thread of the test. [any-thread]
inline void must(bool condition, std::source_location where = std::source_location::current()) {
    if (condition) return;
    throw std::runtime_error(std::string(where.file_name()) + ':' + std::to_string(where.line()) +
                             ": what had to hold on another thread did not");
}

/// Threads that are joined at the end of the scope. join() throws what ended the first of them that failed; without a
/// call of join(), a failure ends the process.
class Threads {
public:
    Threads() = default;
    ~Threads() {
        join_all();
        if (failure_ && std::uncaught_exceptions() == 0) std::rethrow_exception(failure_);  // in a noexcept function
    }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    template <typename Function>
    void start(Function function) {
        threads_.emplace_back([this, function = std::move(function)]() mutable { guarded(function); });
    }
    /// Several that begin at once.
    template <typename Function>
    void start(int count, Function function) {
        auto line = std::make_shared<std::latch>(count);
        for (int i = 0; i < count; ++i)
            start([=]() mutable {
                line->arrive_and_wait();
                function(i);
            });
    }
    void join() {
        join_all();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

private:
    template <typename Function>
    void guarded(Function& function) {
        try {
            function();
        } catch (const std::exception&) {  // not of forced unwinding, as pthread_exit() does it
            const std::lock_guard guard(mutex_);
            if (!failure_) failure_ = std::current_exception();
        }
    }
    void join_all() {
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    std::mutex mutex_;
    std::exception_ptr failure_;
    std::list<std::thread> threads_;  // a vector of them makes gcc 12 warn of array bounds
};

/// Runs something on a thread of its own and waits for it.
inline void on_other_thread(const std::function<void()>& function) {
    Threads threads;
    threads.start(function);
    threads.join();
}

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
