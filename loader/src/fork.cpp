// fork(2) and the loader: the child has one thread. It finds every lock free, what others were importing not begun, and
// what they were unloading either loaded or gone.
//
// SPDX-License-Identifier: MIT
#include <new>
#include <utility>

#include "loader_state.hpp"

namespace interlock::detail {

void LoaderState::set_up_fork_hooks() {
    fork_hooks = {[](void* state) { static_cast<LoaderState*>(state)->before_fork(); },
                  [](void* state) {
                      static_cast<LoaderState*>(state)->release_records();
                      static_cast<LoaderState*>(state)->finish_fork();
                  },
                  [](void* state) { static_cast<LoaderState*>(state)->forget_other_threads(); }, this};
    set_fork_hooks(&fork_hooks);
}

void LoaderState::before_fork() {
    linker_held_in_fork = LinkerTurn::hold_for_fork();
    mutex.lock();
    for (const auto& [order, past] : history)
        if (past.live) held_in_fork.push_back(past.live);
    for (const auto& [name, passage] : passages)
        if (passage->record && !passage->record->loaded) held_in_fork.push_back(passage->record);
    for (const auto& record : held_in_fork) record->objects.lock();
    process_mutex().lock();
}

void LoaderState::release_records() {
    process_mutex().unlock();
    for (const auto& record : held_in_fork) record->objects.unlock();
}

void LoaderState::finish_fork() {
    const auto records = std::exchange(held_in_fork, {});  // perhaps the last references: dropped without a lock
    const bool linker_held = linker_held_in_fork;
    mutex.unlock();
    if (linker_held) LinkerTurn::release_after_fork();
}

void LoaderState::forget_other_threads() {
    release_records();  // before anything is forgotten: the last reference to a record takes the process's mutex
    if (!linker_held_in_fork) {
        // The thread that had the turn may have been in the middle of a change of this.
        if (!LinkerTurn::is_here()) static_cast<void>(libraries.release());
        LinkerTurn::forget_other_threads();
    }
    new (&passage_done) std::condition_variable;
    waiters.clear();
    for (const auto& [name, lineage] : reloads) lineage->under_way = 0;
    reloads.clear();
    std::vector<EventId> abandoned;
    for (auto entry = passages.begin(); entry != passages.end();) {
        Passage& passage = *entry->second;
        bool own = false;
        for (const ImportFrame* frame = own_imports(); frame != nullptr; frame = frame->outer)
            own = own || frame->passage == &passage;
        if (own) {
            ++entry;
            continue;
        }
        if (passage.fallback) abandoned.push_back(*passage.fallback);
        if (passage.unloading && !passage.torn_down) {
            passage.record->gate.fetch_or(gate_open);
            loaded.insert(std::move(passage.in_the_list));
        } else if (passage.record && passage.record->loaded == passage.unloading) {
            // Half made or half destroyed, by a thread that is not here: it stays mapped, and dead.
            passage.record->gate.fetch_and(~gate_open);
            passage.record->mapped = true;
            keep_for_good(passage.record);
            const auto event = passage.unloading ? retire(passage.record) : std::nullopt;
            if (event) abandoned.push_back(*event);
        }
        entry = passages.erase(entry);
    }
    finish_fork();
    for (const EventId event : abandoned) give_back_lock(event, "abandoned by a fork");
}

}  // namespace interlock::detail
