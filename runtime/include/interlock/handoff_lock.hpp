// interlock/handoff_lock.hpp: the lock behind the global lock and the module locks. Its owner may take it again at
// once (no system call per release, however many wait), but never for longer than the switch interval: then the
// release hands it to the thread that has waited longest, so nobody starves.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include <interlock/export.hpp>

namespace interlock {

class HandoffLock {
public:
    /// How a release treats waiting threads: `lazy`, the releaser is likely to come back, and the first waiter will
    /// notice within a poll interval (0.1 ms) if it does not; `eager`, it is not, and the first waiter gets the lock.
    enum class Release : std::uint8_t { lazy, eager };

    IL_API HandoffLock();
    IL_API ~HandoffLock();
    HandoffLock(const HandoffLock&) = delete;
    HandoffLock& operator=(const HandoffLock&) = delete;

    /// Blocks; the caller must not be attached, unless it is about to become the holder of the global lock. Not
    /// recursive. No cancellation point.
    IL_API void lock();
    IL_API bool try_lock() noexcept;
    IL_API void unlock(Release how) noexcept;

    /// As lock(), but before all others, and without waiting for the switch interval: the holder's next release or safe
    /// point hands the lock over. For one thread at a time.
    void lock_urgently() { static_cast<void>(lock_urgently_before(std::chrono::steady_clock::time_point::max())); }
    /// The same, but false at `end` if it has not come to that.
    bool lock_urgently_before(std::chrono::steady_clock::time_point end);
    /// As lock(), or false: unlock_and_dismiss() made the lock needless.
    bool lock_unless_dismissed();
    /// Releases the lock for good: all that wait in lock_unless_dismissed() return at once, instead of taking the lock
    /// one after the other only to find that they do not need it. Nobody may wait in another way.
    void unlock_and_dismiss() noexcept;

    /// True when a waiter has waited for the whole switch interval: the holder should release soon.
    bool handoff_due() const noexcept { return handoff_due_.load(std::memory_order_relaxed); }

    /// For all locks; default 5 ms. [any-thread]
    IL_API static void set_switch_interval(std::chrono::microseconds interval) noexcept;
    IL_API static std::chrono::microseconds switch_interval() noexcept;

    /// Around fork(2), called by a thread that holds none of these locks. In the child all locks are free afterwards:
    /// their holders and waiters are gone.
    static void before_fork() noexcept;
    static void after_fork_in_parent() noexcept;
    static void after_fork_in_child() noexcept;

private:
    struct Waiter;
    bool try_barge() noexcept;
    bool lock_slow(bool urgent, std::chrono::steady_clock::time_point end);
    void unlock_slow() noexcept;
    void remove_first() noexcept;

    static constexpr std::uint32_t held_bit = 1, waiters_bit = 2;
    std::atomic<std::uint32_t> word_{0};
    std::atomic<bool> handoff_due_{false};
    std::mutex queue_mutex_;
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    HandoffLock* previous_lock_ = nullptr;  // list of all locks, for fork
    HandoffLock* next_lock_ = nullptr;
};

}  // namespace interlock
