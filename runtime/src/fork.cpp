// fork(2): the child has one thread, and finds every lock free, every other thread gone, and an executor that runs
// everything on the calling thread (oneTBB's workers do not survive a fork).
//
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

#include <interlock/gate.hpp>

#include "process_state.hpp"

namespace interlock::detail {

namespace {

// Held through a fork, so that a Loader does not go meanwhile.
std::mutex& hooks_mutex() noexcept {
    static constinit std::mutex mutex;
    return mutex;
}
const ForkHooks* fork_hooks = nullptr;  // under hooks_mutex()
thread_local Suspended outside;

// Waits for nothing that may last, but for what a hook waits for. All mutexes are held for bookkeeping only, and in
// this order: the loader's, then the runtime's.
void before() {
    const NoCancellation guarded;
    suspend(outside);  // others may wait for what the forking thread holds
    hooks_mutex().lock();
    if (fork_hooks != nullptr) fork_hooks->before(fork_hooks->context);
    process().switching.mutex.lock();
    process().registration.lock();
    HandoffLock::before_fork();
}

void in_parent() {
    HandoffLock::after_fork_in_parent();
    process().registration.unlock();
    process().switching.mutex.unlock();
    if (fork_hooks != nullptr) fork_hooks->parent(fork_hooks->context);
    hooks_mutex().unlock();
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

// A switch of another thread has no end here. One to locked mode is not asked for any more, and what it had done is
// undone; one to parallel mode is over. Nobody is attached, so the mode may be anything.
void settle_switch() noexcept {
    using Step = SwitchPlace::Step;
    SwitchPlace& place = process().switching;
    new (&place.changed) std::condition_variable;  // others may have waited
    place.waiting.store(switching_here, std::memory_order_relaxed);
    if (switching_here) return;  // on_stall has forked: the switch goes on here
    const Step step = std::exchange(place.under_way, Step::none);
    if (step == Step::no_runtime) return end_of_runtime();
    if (step == Step::to_locked) place.holds.fetch_sub(1, std::memory_order_relaxed);
    if (mode_cell.word.load(std::memory_order_relaxed) == mode_none) return;
    const bool locked = place.always_locked || place.holds.load(std::memory_order_relaxed) != 0;
    mode_cell.word.store(locked ? std::uint32_t{mode_locked} : parallel_word(), std::memory_order_relaxed);
}

void in_child() {
    HandoffLock::after_fork_in_child();
    ProcessState& state = process();
    state.registration.unlock();
    state.switching.mutex.unlock();
    state.forked_child.store(true, std::memory_order_relaxed);
    for_each_slot([](ThreadSlot& slot) {
        if (&slot != this_thread) forget_thread(slot);
    });
    if (this_thread != nullptr) this_thread->os_thread.store(syscall(SYS_gettid), std::memory_order_relaxed);
    prepare_fences();  // a sandbox set up by the child's parent may not let it register again
    settle_switch();
    if (fork_hooks != nullptr) fork_hooks->child(fork_hooks->context);
    hooks_mutex().unlock();
    resume(outside);
}

}  // namespace

void set_fork_hooks(const ForkHooks* hooks) noexcept {
    std::lock_guard guard(hooks_mutex());
    fork_hooks = hooks;
}

void install_fork_handlers() noexcept {
    static const bool installed = pthread_atfork(before, in_parent, in_child) == 0;
    if (!installed) fatal("pthread_atfork failed: no memory");
}

}  // namespace interlock::detail
