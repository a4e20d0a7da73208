// The lock of handoff_lock.hpp. Why not std::mutex: eight threads with short bodies would spend their time in futex
// wake-ups, and the one that releases last may take it again for ever. Here a release is one atomic operation as long
// as the first waiter has not waited for the switch interval; that waiter looks by itself, ten times a millisecond.
//
// SPDX-License-Identifier: MIT
#include <interlock/handoff_lock.hpp>

#include <algorithm>
#include <condition_variable>
#include <new>
#include <thread>

#include <interlock/gate.hpp>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace interlock {

namespace {

using Clock = std::chrono::steady_clock;

// How often the first waiter looks by itself: soon at first, as the holder may have gone for good, then more seldom, as
// it obviously comes back. Once the hand-off has been requested a release wakes the waiter anyway.
constexpr Clock::duration first_poll = std::chrono::microseconds(100);
constexpr Clock::duration last_poll = std::chrono::milliseconds(1);
constexpr int spin_rounds = 128;
constexpr Clock::time_point never = Clock::time_point::max();

std::atomic<std::int64_t> switch_interval_us{5000};

struct LockList {
    std::mutex mutex;
    HandoffLock* first = nullptr;
};
LockList& all_locks() {
    static LockList* list = new LockList;  // outlives every lock, so never destroyed
    return *list;
}

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#else
    std::this_thread::yield();
#endif
}

// Not a static of a function: a fork in the middle of its initialisation would leave the child waiting for its end.
const bool worth_spinning = std::thread::hardware_concurrency() > 1;

}  // namespace

struct HandoffLock::Waiter {
    std::condition_variable turn;  // granted, or first in the queue
    Waiter* next = nullptr;
    bool granted = false;
    bool dismissed = false;
};

HandoffLock::HandoffLock() {
    LockList& list = all_locks();
    std::lock_guard guard(list.mutex);
    next_lock_ = list.first;
    if (next_lock_ != nullptr) next_lock_->previous_lock_ = this;
    list.first = this;
}

HandoffLock::~HandoffLock() {
    LockList& list = all_locks();
    std::lock_guard guard(list.mutex);
    if (previous_lock_ != nullptr)
        previous_lock_->next_lock_ = next_lock_;
    else
        list.first = next_lock_;
    if (next_lock_ != nullptr) next_lock_->previous_lock_ = previous_lock_;
}

bool HandoffLock::try_barge() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    return (word & held_bit) == 0 &&
           word_.compare_exchange_strong(word, word | held_bit, std::memory_order_acquire, std::memory_order_relaxed);
}

bool HandoffLock::try_lock() noexcept { return try_barge(); }

void HandoffLock::lock() {
    if (!try_barge()) lock_slow(false, never);
}

bool HandoffLock::lock_urgently_before(Clock::time_point end) { return try_barge() || lock_slow(true, end); }

bool HandoffLock::lock_unless_dismissed() { return try_barge() || lock_slow(false, never); }

// Only the urgent one gives up at an end; it is first all the time.
bool HandoffLock::lock_slow(bool urgent, Clock::time_point end) {
    if (worth_spinning) {
        for (int i = 0; i < spin_rounds; ++i) {
            relax();
            if (try_barge()) return true;
        }
    }
    const detail::NoCancellation guarded;  // or the lock would be handed to a waiter on a stack that is gone
    std::unique_lock queue(queue_mutex_);
    Waiter self;
    if (first_ == nullptr) {
        first_ = last_ = &self;
    } else if (urgent) {
        self.next = first_;
        first_ = &self;
    } else {
        last_->next = &self;
        last_ = &self;
    }
    word_.fetch_or(waiters_bit, std::memory_order_relaxed);

    const Clock::duration interval = urgent ? Clock::duration::zero() : Clock::duration(switch_interval());
    Clock::duration poll = first_poll;
    Clock::time_point first_since{};
    while (!self.granted) {
        if (self.dismissed) return false;
        if (first_ != &self) {
            self.turn.wait(queue);
            continue;
        }
        if (try_barge()) {
            remove_first();
            return true;
        }
        const Clock::time_point now = Clock::now();
        if (now >= end) {
            remove_first();
            return false;
        }
        if (first_since == Clock::time_point{}) first_since = now;
        const Clock::duration left = interval - (now - first_since);
        if (left <= Clock::duration::zero()) handoff_due_.store(true, std::memory_order_relaxed);
        self.turn.wait_for(queue, left > Clock::duration::zero() ? std::min(poll, left) : last_poll);
        poll = std::min(poll * 2, last_poll);
    }
    return true;
}

// Under queue_mutex_. Whoever is next has to start looking by itself.
void HandoffLock::remove_first() noexcept {
    first_ = first_->next;
    handoff_due_.store(false, std::memory_order_relaxed);
    if (first_ == nullptr) {
        last_ = nullptr;
        word_.fetch_and(~waiters_bit, std::memory_order_relaxed);
    } else {
        first_->turn.notify_one();
    }
}

void HandoffLock::unlock(Release how) noexcept {
    if (how == Release::lazy && !handoff_due()) {
        word_.fetch_and(~held_bit, std::memory_order_release);
        return;
    }
    std::uint32_t only_held = held_bit;
    if (word_.compare_exchange_strong(only_held, 0, std::memory_order_release, std::memory_order_relaxed)) return;
    unlock_slow();
}

void HandoffLock::unlock_slow() noexcept {
    std::lock_guard queue(queue_mutex_);
    Waiter* next_holder = first_;
    if (next_holder == nullptr) {
        word_.fetch_and(~held_bit, std::memory_order_release);
        return;
    }
    remove_first();
    next_holder->granted = true;  // the lock stays held; queue_mutex_ carries the ordering
    next_holder->turn.notify_one();
}

void HandoffLock::unlock_and_dismiss() noexcept {
    std::lock_guard queue(queue_mutex_);
    for (Waiter* waiter = first_; waiter != nullptr; waiter = waiter->next) {
        waiter->dismissed = true;
        waiter->turn.notify_one();  // it cannot return before queue_mutex_ is free
    }
    first_ = last_ = nullptr;
    handoff_due_.store(false, std::memory_order_relaxed);
    word_.store(0, std::memory_order_release);
}

void HandoffLock::set_switch_interval(std::chrono::microseconds interval) noexcept {
    // A year is never, and milliseconds::max() would overflow where it is added to something.
    switch_interval_us.store(std::min<std::chrono::microseconds>(interval, std::chrono::years(1)).count(),
                             std::memory_order_relaxed);
}

std::chrono::microseconds HandoffLock::switch_interval() noexcept {
    return std::chrono::microseconds(switch_interval_us.load(std::memory_order_relaxed));
}

void HandoffLock::before_fork() noexcept { all_locks().mutex.lock(); }

void HandoffLock::after_fork_in_parent() noexcept { all_locks().mutex.unlock(); }

void HandoffLock::after_fork_in_child() noexcept {
    LockList& list = all_locks();
    for (HandoffLock* lock = list.first; lock != nullptr; lock = lock->next_lock_) {
        new (&lock->queue_mutex_) std::mutex;  // may be held by a thread that does not exist here
        lock->first_ = lock->last_ = nullptr;
        lock->handoff_due_.store(false, std::memory_order_relaxed);
        lock->word_.store(0, std::memory_order_relaxed);
    }
    list.mutex.unlock();
}

}  // namespace interlock
