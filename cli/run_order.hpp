// run_order.hpp: hands what many threads produce to one consumer, one item at a time, in order.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace interlock::cli {

/// Whoever delivers the item that is next consumes it, and all behind it that are there; nobody else waits for that.
/// All members: [any-thread], detached.
template <typename T>
class InOrder {
public:
    /// `consume` gets the items, `pause` is called when there is none for the moment; neither from two threads at once.
    /// At most `window` items are accepted beyond the last consumed one, which bounds the memory.
    InOrder(bool by_index, std::size_t window, std::function<void(T)> consume, std::function<void()> pause)
        : by_index_(by_index), window_(window), consume_(std::move(consume)), pause_(std::move(pause)) {}

    /// Waits until item `index` may be begun; false: stop. Indices are to be admitted in order.
    bool admit(std::size_t index) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || index < next_ + window_; });
        return !stopped_;
    }

    /// What `consume` and `pause` throw stops it all.
    void deliver(std::size_t index, T item) {
        std::unique_lock lock(mutex_);
        waiting_.emplace(by_index_ ? index : arrived_++, std::move(item));
        if (consuming_) return;
        consuming_ = true;
        try {
            while (is_ready()) {
                while (is_ready()) {
                    T next = std::move(waiting_.extract(waiting_.begin()).mapped());
                    lock.unlock();
                    consume_(std::move(next));
                    lock.lock();
                    ++next_;
                    changed_.notify_all();
                }
                lock.unlock();
                pause_();
                lock.lock();
            }
        } catch (...) {
            if (!lock.owns_lock()) lock.lock();
            stop_locked(std::current_exception());
        }
        consuming_ = false;
    }

    /// Nothing more is admitted. The first reason counts.
    void stop(std::exception_ptr why) {
        const std::lock_guard lock(mutex_);
        stop_locked(why);
    }

    /// Throws the reason for which it was stopped, if any.
    void rethrow() {
        const std::lock_guard lock(mutex_);
        if (reason_) std::rethrow_exception(reason_);
    }

private:
    bool is_ready() const { return !stopped_ && !waiting_.empty() && waiting_.begin()->first == next_; }
    void stop_locked(std::exception_ptr why) {
        if (!stopped_) reason_ = std::move(why);
        stopped_ = true;
        changed_.notify_all();
    }

    const bool by_index_;
    const std::size_t window_;
    const std::function<void(T)> consume_;
    const std::function<void()> pause_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::size_t, T> waiting_;
    std::size_t next_ = 0, arrived_ = 0;
    bool consuming_ = false, stopped_ = false;
    std::exception_ptr reason_;
};

}  // namespace interlock::cli
