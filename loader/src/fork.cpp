// fork(2) and the loader: the child has one thread. It finds every lock free, what others were importing not begun, and
// what they were unloading either loaded or gone.
//
// SPDX-License-Identifier: MIT
#include <new>
#include <utility>

#include "known.hpp"
#include "linker_turn.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

void LoaderState::set_up_fork_hooks() {
    fork_hooks = {[](void* state) { static_cast<LoaderState*>(state)->before_fork(); },
                  [](void* state) {
                      static_cast<LoaderState*>(state)->release_records();
                      static_cast<LoaderState*>(state)->mutex.unlock();
                      LinkerTurn::release_in_parent();
                  },
                  [](void* state) { static_cast<LoaderState*>(state)->forget_other_threads(); }, this};
    set_fork_hooks(&fork_hooks);
}

template <typename Visit>
void LoaderState::each_record(Visit visit) const {
    for (const auto& [order, past] : history)
        if (past.live) visit(*past.live);
    for (const auto& [name, import_lock] : import_locks)
        if (import_lock->record && !import_lock->record->loaded) visit(*import_lock->record);
}

// A fork cannot fail for want of memory, so nothing here needs any.
void LoaderState::before_fork() {
    LinkerTurn::hold_for_fork();  // first, as who uses the linker may take the other locks
    mutex.lock();
    KnownModules::hold_for_fork();
    each_record([](const ModuleRecord& record) { record.objects.lock(); });
    process_mutex().lock();
}

void LoaderState::release_records() {
    process_mutex().unlock();
    each_record([](const ModuleRecord& record) { record.objects.unlock(); });
    KnownModules::release_after_fork();
}

void LoaderState::forget_other_threads() {
    release_records();  // before anything is forgotten: the last reference to a record takes the process's mutex
    // Who had the turn may have been in the middle of a change of this.
    if (LinkerTurn::release_in_child()) static_cast<void>(libraries.release());
    new (&import_lock_released) std::condition_variable;
    waiters.clear();
    for (const auto& [name, lineage] : reloads) lineage->under_way = 0;
    reloads.clear();
    decltype(import_locks) abandoned;  // perhaps with the last references to records: dropped without a lock
    for (auto entry = import_locks.begin(); entry != import_locks.end();) {
        ImportLock& import_lock = *entry->second;
        bool own = false;
        for (const ImportFrame* frame = own_imports(); frame != nullptr; frame = frame->outer)
            own = own || frame->import_lock == &import_lock;
        if (own) {
            ++entry;
            continue;
        }
        if (import_lock.unloading && !import_lock.torn_down) {
            import_lock.record->gate.fetch_or(gate_open);
            loaded.insert(std::move(import_lock.in_the_list));
        } else if (import_lock.record && import_lock.record->loaded == import_lock.unloading) {
            // Half made or half destroyed, by a thread that is not here: it stays mapped, and dead.
            import_lock.record->gate.fetch_and(~gate_open);
            import_lock.record->mapped = true;
            keep_for_good(import_lock.record);
            if (import_lock.unloading) retire(import_lock);
        }
        abandoned.insert(import_locks.extract(entry++));
    }
    mutex.unlock();
    for (const auto& [name, import_lock] : abandoned) give_back_lock(import_lock->request, "abandoned by a fork");
}

}  // namespace interlock::detail
