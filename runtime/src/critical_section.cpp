// Critical sections (critical_section.hpp): a stack of frames for each thread. A frame that is suspended is taken
// again when it becomes the innermost one.
//
// SPDX-License-Identifier: MIT
#include <interlock/critical_section.hpp>

#include <functional>
#include <utility>

#include <interlock/thread.hpp>

#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock {

bool Mutex::try_lock() noexcept {
    std::uint32_t expected = 0;
    return word_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed);
}

void Mutex::lock() noexcept {
    if (try_lock()) return;
    while (word_.exchange(2, std::memory_order_acquire) != 0) word_.wait(2, std::memory_order_relaxed);
}

void Mutex::unlock() noexcept {
    if (word_.exchange(0, std::memory_order_release) == 2) word_.notify_one();
}

namespace detail {

namespace {

bool try_take(CriticalFrame& frame) noexcept {
    if (!frame.first->try_lock()) return false;
    if (frame.second != nullptr && !frame.second->try_lock()) {
        frame.first->unlock();
        return false;
    }
    frame.held = true;
    return true;
}

void give_back(CriticalFrame& frame) noexcept {
    if (frame.second != nullptr) frame.second->unlock();
    frame.first->unlock();
    frame.held = false;
}

}  // namespace

void release_critical_sections(CriticalFrame* innermost) noexcept {
    for (CriticalFrame* frame = innermost; frame != nullptr; frame = frame->outer)
        if (frame->held) give_back(*frame);
}

void retake_critical_section(ThreadSlot* slot, CriticalFrame& frame) {
    if (try_take(frame)) return;
    IL_POINT("critical.blocked");
    // Not attached and with no other section while it waits; then the global lock is taken with this one in hand,
    // which is safe, as its holder never waits for a section.
    release_critical_sections(frame.outer);
    leave(slot, HandoffLock::Release::eager);
    frame.first->lock();
    IL_POINT("critical.first_taken");
    if (frame.second != nullptr) frame.second->lock();
    frame.held = true;
    if (!enter(slot)) fatal("the Runtime was destroyed while a thread waited for a critical section");
}

void forget_critical_sections(ThreadSlot& slot) noexcept {
    // Whether `held` or not: the thread may have been anywhere between the first lock and the flag. The only thread
    // that is left holds nothing, so what a frame names is free.
    for (CriticalFrame* frame = slot.critical; frame != nullptr; frame = frame->outer) {
        frame->first->unlock();
        if (frame->second != nullptr) frame->second->unlock();
    }
    slot.critical = nullptr;
}

void critical_begin(CriticalFrame& frame, Mutex* first, Mutex* second) {
    ThreadSlot* slot = this_thread;
    if (slot == nullptr || slot->depth == 0)
        fatal("a critical section was begun by a thread that is not attached; attach first (interlock::Attached)");
    if (first == second) second = nullptr;
    // One order for all threads, so that two sections over the same pair cannot hold one lock each.
    if (first == nullptr || (second != nullptr && std::less<>()(second, first))) std::swap(first, second);
    frame = {nullptr, nullptr, nullptr, false};
    const CriticalFrame* around = slot->critical;
    const auto locked_already = [around](const Mutex* mutex) {
        return mutex == nullptr || (around != nullptr && (around->first == mutex || around->second == mutex));
    };
    // The section around this one is the innermost, thus held. Locking its objects again would suspend it and let
    // others in between, so this section locks nothing and is not on the stack (CPython 3.14 does the same).
    if (locked_already(first) && locked_already(second)) return;
    frame = {first, second, slot->critical, false};
    std::atomic_signal_fence(std::memory_order_seq_cst);  // a fork sees complete frames only
    slot->critical = &frame;
    retake_critical_section(slot, frame);
}

void critical_end(CriticalFrame& frame) {
    if (frame.first == nullptr) return;
    ThreadSlot* slot = this_thread;
    if (slot == nullptr || slot->critical != &frame)
        fatal("a critical section was ended that is not the innermost one of its thread");
    if (frame.held) give_back(frame);
    slot->critical = frame.outer;
    if (frame.outer != nullptr && !frame.outer->held) retake_critical_section(slot, *frame.outer);
}

}  // namespace detail
}  // namespace interlock
