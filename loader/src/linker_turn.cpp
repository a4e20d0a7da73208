// linker_turn.cpp: not a std::mutex alone: a fork that tried to get one again and again was never served when many
// threads imported, and in its child the linker was in the middle of something.
//
// SPDX-License-Identifier: MIT
#include "linker_turn.hpp"

#include <cassert>
#include <condition_variable>
#include <mutex>
#include <new>
#include <utility>

#include <interlock/escape.hpp>
#include <interlock/gate.hpp>

namespace interlock::detail {

namespace {

struct Turn {
    std::mutex mutex;  // of what follows; a fork holds it
    std::condition_variable changed;
    bool taken = false;
    unsigned forks = 0;   // that wait
    bool in_use = false;  // by who has the turn
    std::string_view used_for;
    std::string lost;
};

Turn& turn() noexcept {
    static Turn* one = new Turn;  // threads may outlive static destructors
    return *one;
}
// A fork in the middle of its initialisation would leave the child waiting for its end.
[[maybe_unused]] const Turn& made_early = turn();

thread_local bool here = false;

}  // namespace

LinkerTurn::LinkerTurn() : nested_(here) {
    if (nested_) return;
    // The one whose turn it is may be waiting to attach.
    assert(!is_attached());
    const NoCancellation guarded;
    Turn& place = turn();
    std::unique_lock lock(place.mutex);
    place.changed.wait(lock, [&] { return !place.taken && place.forks == 0; });
    place.taken = here = true;
}

LinkerTurn::~LinkerTurn() {
    if (nested_) return;
    here = false;
    Turn& place = turn();
    {
        std::lock_guard lock(place.mutex);
        place.taken = false;
    }
    place.changed.notify_all();
}

bool LinkerTurn::is_here() noexcept { return here; }

void LinkerTurn::hold_for_fork() {
    Turn& place = turn();
    std::unique_lock lock(place.mutex);
    ++place.forks;
    if (!here) place.changed.wait_for(lock, patience, [&] { return !place.taken; });
    --place.forks;
    lock.release();
}

void LinkerTurn::release_in_parent() {
    turn().mutex.unlock();
    turn().changed.notify_all();
}

bool LinkerTurn::release_in_child() {
    Turn& place = turn();
    const bool of_another = place.taken && !here;
    new (&place.changed) std::condition_variable;  // others may have waited
    place.forks = 0;
    if (!here) {
        if (place.in_use)
            place.lost =
                "this process was forked while another thread " +
                (place.used_for.empty() ? std::string("looked at libraries")
                                        : "mapped or unmapped the library of module " + quoted(place.used_for)) +
                ", which took longer than a fork waits; in such a child the dynamic linker can be used no more, "
                "so call exec(), or fork when no module is imported or unloaded";
        place.in_use = place.taken = false;
    }
    place.mutex.unlock();
    return of_another;
}

const std::string& LinkerTurn::lost() noexcept { return turn().lost; }

LinkerUse::LinkerUse(std::string_view module) {
    Turn& place = turn();
    std::lock_guard lock(place.mutex);
    outer_ = std::exchange(place.used_for, module);
    nested_ = std::exchange(place.in_use, true);
}

LinkerUse::~LinkerUse() {
    Turn& place = turn();
    std::lock_guard lock(place.mutex);
    place.used_for = outer_;
    place.in_use = nested_;
}

}  // namespace interlock::detail
