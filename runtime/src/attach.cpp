// The slow halves of attach, detach and safe_point, and giving up everything while detached (thread.hpp).
//
// Two rules keep this free of deadlocks. A thread never blocks while it is attached: whoever has to wait for a lock
// leaves first. And the global lock is a leaf: its holder waits for no other lock, so waiting for it with a module's
// lock or a critical section in hand is safe.
//
// SPDX-License-Identifier: MIT
#include <interlock/critical_section.hpp>
#include <interlock/result.hpp>
#include <interlock/thread.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <interlock/gate.hpp>

#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock {

const char* mode_name(Mode mode) noexcept { return mode == Mode::parallel ? "parallel" : "locked"; }

namespace detail {

constinit ModeCell mode_cell;
__thread ThreadSlot* this_thread = nullptr;

void fatal(std::string_view message) noexcept {
    std::fprintf(stderr, "interlock: fatal: %.*s\n", static_cast<int>(message.size()), message.data());
    std::fflush(stderr);  // which the host may have reopened, with a buffer
    std::abort();
}

void hold_back(std::string_view callback) noexcept {
    if (abi::__cxa_current_exception_type() != nullptr) return;
    fatal(std::string(callback) + " ended its thread (pthread_exit?); it has to return");
}

bool enter(ThreadSlot* slot) {
    if (announce(slot)) return true;
    for (;;) {
        const std::uint32_t word = mode_cell.word.load(std::memory_order_acquire);
        if (word == mode_parallel || word == mode_parallel_fenced) {
            // A full barrier between announcement and check, in a form that ThreadSanitizer understands.
            slot->state.exchange(state_free, std::memory_order_seq_cst);
            if (mode_cell.word.load(std::memory_order_seq_cst) == word) return true;
            continue;
        }
        slot->state.store(state_detached, std::memory_order_release);
        wake_switcher();
        if (word == mode_none) return false;
        IL_POINT("enter.before_global_lock");
        HandoffLock& global_lock = process().global_lock;
        if (!global_lock.try_lock()) {
            const TimedWait timed(slot);
            if (!global_lock.lock_unless_dismissed()) continue;
        }
        // Only the holder of the lock leaves locked mode, so this answer stands until the thread releases it.
        if (mode_cell.word.load(std::memory_order_acquire) == mode_locked) {
            slot->state.store(state_locked, std::memory_order_relaxed);
            return true;
        }
        global_lock.unlock(HandoffLock::Release::eager);
    }
}

void leave(ThreadSlot* slot, HandoffLock::Release how) noexcept {
    const std::uint32_t state = slot->state.load(std::memory_order_relaxed);
    if (state == state_locked) {
        slot->state.store(state_detached, std::memory_order_relaxed);
        process().global_lock.unlock(how);
        return;
    }
    slot->state.store(state_detached, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Without membarrier this may miss a switcher that has just begun to wait; it looks again within a millisecond.
    if (mode_cell.word.load(std::memory_order_relaxed) == mode_locked) wake_switcher();
}

void attach_slow(ThreadSlot* slot) {
    if (switching_here) {
        slot->state.store(state_detached, std::memory_order_release);
        slot->depth = 0;
        throw Failure({Errc::wrong_state,
                       "a thread tried to attach inside RuntimeOptions::on_stall; nobody can attach "
                       "until the switch that it reports is over"});
    }
    if (enter(slot)) return;
    slot->depth = 0;
    throw Failure({Errc::wrong_state,
                   "a thread tried to attach, but no interlock::Runtime exists in this process; "
                   "create one first and destroy it last"});
}

bool attach_before(ThreadSlot* slot, std::chrono::steady_clock::time_point end) {
    for (auto pause = std::chrono::microseconds(10);; pause = std::min(2 * pause, std::chrono::microseconds(1000))) {
        const std::uint32_t word = mode_cell.word.load(std::memory_order_acquire);
        if (word == mode_parallel || word == mode_parallel_fenced) {
            slot->state.exchange(state_free, std::memory_order_seq_cst);
            if (mode_cell.word.load(std::memory_order_seq_cst) == word) {
                slot->depth = 1;
                return true;
            }
            slot->state.store(state_detached, std::memory_order_release);
            wake_switcher();
        } else if (word == mode_locked && process().global_lock.try_lock()) {
            const bool still = mode_cell.word.load(std::memory_order_acquire) == mode_locked;
            if (still) {
                slot->state.store(state_locked, std::memory_order_relaxed);
                slot->depth = 1;
                return true;
            }
            process().global_lock.unlock(HandoffLock::Release::eager);
        } else if (word == mode_none) {
            return false;
        }
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(pause);
    }
}

void detach_slow(ThreadSlot* slot) noexcept {
    // The fast path may have stored `detached` already; then only the wake-up is left.
    if (slot->state.load(std::memory_order_relaxed) == state_detached)
        wake_switcher();
    else
        leave(slot, HandoffLock::Release::lazy);
}

void safe_point_slow(ThreadSlot* slot) {
    if (slot->depth == 0) return;
    const std::uint32_t word = mode_cell.word.load(std::memory_order_acquire);
    const std::uint32_t state = slot->state.load(std::memory_order_relaxed);
    const bool must_stop = state == state_free && word == mode_locked;
    const bool must_hand_over = state == state_locked && process().global_lock.handoff_due();
    if (!must_stop && !must_hand_over) return;
    IL_POINT("safe_point.yield");
    leave(slot, HandoffLock::Release::eager);
    if (!enter(slot)) fatal("the Runtime was destroyed while a thread was attached to it");
}

void suspend(Suspended& saved) noexcept {
    ThreadSlot* slot = this_thread;
    saved = {};
    if (slot == nullptr || slot->depth == 0) return;
    saved = {slot, slot->depth, slot->module_lock, slot->critical};
    release_critical_sections(slot->critical);
    slot->critical = nullptr;
    slot->module_lock = nullptr;
    slot->depth = 0;
    leave(slot, HandoffLock::Release::eager);
    if (saved.module_lock != nullptr) saved.module_lock->unlock(HandoffLock::Release::eager);
}

void resume(Suspended& saved) noexcept {
    ThreadSlot* slot = saved.slot;
    if (slot == nullptr) return;
    if (saved.module_lock != nullptr) saved.module_lock->lock();
    if (!enter(slot)) fatal("the Runtime was destroyed while a thread was detached inside attached code");
    slot->depth = saved.depth;
    slot->module_lock = saved.module_lock;
    slot->critical = saved.critical;
    if (slot->critical != nullptr) retake_critical_section(slot, *slot->critical);
    saved.slot = nullptr;
}

}  // namespace detail
}  // namespace interlock
