// Tallies and module locks (gate.hpp).
//
// SPDX-License-Identifier: MIT
#include <interlock/gate.hpp>

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock {

const char* gate_name(GateKind kind) noexcept {
    switch (kind) {
        case GateKind::none:
            return "none";
        case GateKind::module_lock:
            return "module_lock";
        case GateKind::global_lock:
            return "global_lock";
    }
    return "none";
}

namespace detail {

ModuleTally* make_tally(ThreadSlot* slot, std::size_t module_index) {
    if (slot->tallies == nullptr) {
        // Kept for the next thread that gets the slot; other threads read it through an acquire of the chunk below.
        auto* table = new std::atomic<ModuleTally*>[tally_chunk_count]();
        std::atomic_ref(slot->tallies).store(table, std::memory_order_release);
    }
    auto& entry = slot->tallies[module_index / tally_chunk_size];
    if (entry.load(std::memory_order_relaxed) == nullptr)
        entry.store(new ModuleTally[tally_chunk_size](), std::memory_order_release);
    return entry.load(std::memory_order_relaxed) + module_index % tally_chunk_size;
}

namespace {

ModuleTally* existing_tally(ThreadSlot& slot, std::size_t module_index) noexcept {
    auto* table = std::atomic_ref(slot.tallies).load(std::memory_order_acquire);
    if (table == nullptr) return nullptr;
    ModuleTally* chunk = table[module_index / tally_chunk_size].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + module_index % tally_chunk_size;
}

std::uint64_t inside_now(std::size_t module_index) noexcept {
    std::uint64_t inside = 0;
    for_each_slot([&](ThreadSlot& slot) {
        if (ModuleTally* tally = existing_tally(slot, module_index))
            inside += tally->inside.load(std::memory_order_acquire);
    });
    return inside;
}

}  // namespace

TallySum sum_tallies(std::size_t module_index) noexcept {
    TallySum sum;
    for_each_slot([&](ThreadSlot& slot) {
        ModuleTally* tally = existing_tally(slot, module_index);
        if (tally == nullptr) return;
        sum.inside += tally->inside.load(std::memory_order_relaxed);
        for (std::size_t k = 0; k < gate_kind_count; ++k)
            sum.calls[k] += tally->calls[k].load(std::memory_order_relaxed);
        sum.ns_inside += tally->ns_inside.load(std::memory_order_relaxed);
        sum.ns_waiting += tally->ns_waiting.load(std::memory_order_relaxed);
    });
    return sum;
}

std::vector<CallSite> borrowers(std::size_t module_index) {
    std::vector<CallSite> found;
    for_each_slot([&](ThreadSlot& slot) {
        const ModuleTally* tally = existing_tally(slot, module_index);
        if (tally == nullptr || tally->lent.load(std::memory_order_relaxed) == 0) return;
        const CallSite* site = slot.site.load(std::memory_order_acquire);
        found.push_back(site == nullptr ? CallSite{} : *site);
    });
    return found;
}

void take_module_lock(ThreadSlot* slot, HandoffLock& lock) {
    if (!lock.try_lock()) {
        IL_POINT("module_lock.blocked");
        const TimedWait timed(slot);
        Suspended outside;
        suspend(outside);
        lock.lock();
        resume(outside);
    }
    slot->module_lock = &lock;
}

void drop_module_lock(ThreadSlot* slot) noexcept {
    HandoffLock* lock = slot->module_lock;
    slot->module_lock = nullptr;
    lock->unlock(HandoffLock::Release::lazy);
}

NoCancellation::NoCancellation() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }

NoCancellation::~NoCancellation() { pthread_setcancelstate(before_, nullptr); }

bool wait_until_outside(std::size_t module_index, std::uint64_t own, std::uint64_t timeout_ms) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
    const NoCancellation guarded;
    Suspended outside;
    suspend(outside);
    bool empty = false;
    // Unloading is rare and its waiters few: looking now and then needs no bookkeeping on the calls' side.
    for (auto pause = std::chrono::microseconds(10);; pause = std::min(pause * 2, std::chrono::microseconds(1000))) {
        empty = inside_now(module_index) <= own;
        if (empty || (timeout_ms != 0 && Clock::now() >= end)) break;
        std::this_thread::sleep_for(pause);
    }
    resume(outside);
    return empty;
}

}  // namespace detail
}  // namespace interlock
