// fork(2): the child has one thread, and finds every lock free, every other thread gone, and an executor that runs
// everything on the calling thread (oneTBB's workers do not survive a fork).
//
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include <interlock/gate.hpp>

#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock::detail {

namespace {

std::atomic<const ForkHooks*> fork_hooks{nullptr};
thread_local const ForkHooks* hooks_in_fork = nullptr;
thread_local Suspended outside;

// Nobody may be in the middle of a switch, and the forking thread must not hold what others could be waiting for.
void before() {
    const NoCancellation guarded;
    suspend(outside);
    if (!switching_here) {  // on_stall may fork, if it has to
        SwitchPlace& place = process().switching;
        std::unique_lock lock(place.mutex);
        if (place.busy) IL_POINT("fork.queued");
        place.changed.wait(lock, [&] { return !place.busy; });
        place.busy = true;
    }
    // Not before: attached threads take the loader's locks, and a switch waits for attached threads.
    hooks_in_fork = fork_hooks.load(std::memory_order_acquire);
    if (hooks_in_fork != nullptr) hooks_in_fork->before(hooks_in_fork->context);
    process().registration.lock();
    HandoffLock::before_fork();
}

void in_parent() {
    HandoffLock::after_fork_in_parent();
    process().registration.unlock();
    if (!switching_here) {
        SwitchPlace& place = process().switching;
        {
            std::lock_guard lock(place.mutex);
            place.busy = false;
        }
        place.changed.notify_all();
    }
    if (hooks_in_fork != nullptr) hooks_in_fork->parent(hooks_in_fork->context);
    resume(outside);
}

void forget_thread(ThreadSlot& slot) noexcept {
    forget_critical_sections(slot);
    slot.state.store(state_detached, std::memory_order_relaxed);
    slot.depth = 0;
    slot.module_lock = nullptr;
    slot.site.store(nullptr, std::memory_order_relaxed);
    slot.loader_frame = slot.loader_imports = nullptr;
    if (slot.tallies != nullptr)
        for (std::size_t c = 0; c < tally_chunk_count; ++c)
            if (ModuleTally* chunk = slot.tallies[c].load(std::memory_order_relaxed))
                for (std::size_t i = 0; i < tally_chunk_size; ++i) {
                    chunk[i].lent.store(0, std::memory_order_relaxed);
                    chunk[i].inside.store(0, std::memory_order_relaxed);
                }
    slot.os_thread.store(0, std::memory_order_relaxed);
    slot.in_use.store(false, std::memory_order_relaxed);
}

void in_child() {
    HandoffLock::after_fork_in_child();
    ProcessState& state = process();
    state.registration.unlock();
    // Others may have held or waited on these at the moment of the fork.
    new (&state.switching.mutex) std::mutex;
    new (&state.switching.changed) std::condition_variable;
    state.switching.busy = switching_here;
    state.switching.waiting.store(switching_here, std::memory_order_relaxed);
    state.forked_child.store(true, std::memory_order_relaxed);
    for_each_slot([](ThreadSlot& slot) {
        if (&slot != this_thread) forget_thread(slot);
    });
    if (this_thread != nullptr) this_thread->os_thread.store(syscall(SYS_gettid), std::memory_order_relaxed);
    prepare_fences();
    // A sandbox set up by the child's parent may not let it register again.
    const std::uint32_t word = mode_cell.word.load(std::memory_order_relaxed);
    if (word == mode_parallel || word == mode_parallel_fenced)
        mode_cell.word.store(parallel_word(), std::memory_order_relaxed);
    if (hooks_in_fork != nullptr) hooks_in_fork->child(hooks_in_fork->context);
    resume(outside);
}

}  // namespace

void set_fork_hooks(const ForkHooks* hooks) noexcept { fork_hooks.store(hooks, std::memory_order_release); }

void install_fork_handlers() noexcept {
    static const bool installed = pthread_atfork(before, in_parent, in_child) == 0;
    if (!installed) fatal("pthread_atfork failed: no memory");
}

}  // namespace interlock::detail
