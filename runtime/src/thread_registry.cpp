// The slots of threads: made at a thread's first attach, given back when it ends, never freed.
//
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include <interlock/gate.hpp>
#include <interlock/thread.hpp>

#include "process_state.hpp"

namespace interlock::detail {

namespace {

void clear_inside(ThreadSlot& slot) noexcept {
    if (slot.tallies == nullptr) return;
    for (std::size_t c = 0; c < tally_chunk_count; ++c) {
        ModuleTally* chunk = slot.tallies[c].load(std::memory_order_relaxed);
        if (chunk == nullptr) continue;
        for (std::size_t i = 0; i < tally_chunk_size; ++i) {
            chunk[i].lent.store(0, std::memory_order_relaxed);
            chunk[i].inside.store(0, std::memory_order_release);
        }
    }
}

// A pthread key, not a thread_local object: it also works for a thread that attaches once more from a destructor.
void end_of_thread(void* value) {
    auto* slot = static_cast<ThreadSlot*>(value);
    this_thread = slot;
    if (slot->depth != 0) {
        // pthread_exit() from inside a module, or a forgotten guard. The thread runs no module code any more.
        process().exited_attached.fetch_add(1, std::memory_order_relaxed);
        // C++ guards have been unwound, so this is a frame of C code, on a stack that has been used again since: what
        // it locked is not known any more, and is in a state that nobody finished.
        if (slot->critical != nullptr)
            fatal("a thread ended (pthread_exit?) inside a critical section of C code; end the section first");
        Suspended dropped;
        suspend(dropped);
    }
    clear_inside(*slot);
    slot->site.store(nullptr, std::memory_order_relaxed);
    slot->loader_frame = slot->loader_imports = nullptr;
    this_thread = nullptr;
    slot->os_thread.store(0, std::memory_order_relaxed);
    slot->in_use.store(false, std::memory_order_release);
}

pthread_key_t slot_key() noexcept {
    static const pthread_key_t key = [] {
        pthread_key_t made{};
        if (pthread_key_create(&made, end_of_thread) != 0) fatal("no thread-specific key is left in this process");
        return made;
    }();
    return key;
}

}  // namespace

ProcessState& process() noexcept {
    // Threads may outlive static destructors, so it is never destroyed. The key is made here so that a fork never
    // finds it half made.
    static ProcessState* state = (slot_key(), new ProcessState);
    return *state;
}

namespace {

constinit thread_local bool exits = false;
std::atomic<bool> exit_is_watched{false};

ThreadSlot* unused_slot() {
    for (ThreadSlot* slot = process().slots.load(std::memory_order_acquire); slot != nullptr;
         slot = slot->next.load(std::memory_order_relaxed)) {
        bool expected = false;
        if (!slot->in_use.load(std::memory_order_relaxed) &&
            slot->in_use.compare_exchange_strong(expected, true, std::memory_order_acquire))
            return slot;
    }
    return nullptr;
}

}  // namespace

bool exits_here() noexcept { return exits; }

// Not by a thread_local object with a destructor: to register that, the C library waits for the dynamic linker, and a
// thread could not attach for the first time as long as another one runs a constructor.
void watch_for_exit() noexcept {
    if (exit_is_watched.load(std::memory_order_relaxed) || exit_is_watched.exchange(true, std::memory_order_relaxed))
        return;
    static_cast<void>(std::atexit([] { exits = true; }));
}

void watch_for_exit_anew() noexcept { exit_is_watched.store(false, std::memory_order_relaxed); }

ThreadSlot* register_thread() {
    watch_for_exit();
    ThreadSlot* slot = unused_slot();
    if (slot == nullptr) {
        slot = new ThreadSlot;
        slot->in_use.store(true, std::memory_order_relaxed);
        ProcessState& state = process();
        std::lock_guard guard(state.registration);
        slot->next.store(state.slots.load(std::memory_order_relaxed), std::memory_order_relaxed);
        state.slots.store(slot, std::memory_order_seq_cst);
    }
    slot->os_thread.store(syscall(SYS_gettid), std::memory_order_relaxed);
    pthread_setspecific(slot_key(), slot);
    this_thread = slot;
    return slot;
}

}  // namespace interlock::detail
