// Who switches the mode, and how many ask for locked mode (process_state.hpp). In a file of its own, as a fork depends
// on it: what is under way and what is asked for change together, under one mutex.
//
// SPDX-License-Identifier: MIT
#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock::detail {

constinit thread_local bool switching_here = false;

bool SwitchPlace::begin(std::optional<std::chrono::steady_clock::time_point> end) {
    std::unique_lock lock(mutex);
    const auto free = [this] { return under_way == Step::none; };
    if (!free()) IL_POINT("switch.queued");
    if (!end)
        changed.wait(lock, free);
    else if (!changed.wait_until(lock, *end, free))
        return false;
    under_way = Step::other;
    switching_here = true;
    return true;
}

unsigned SwitchPlace::ask() {
    std::lock_guard lock(mutex);
    under_way = Step::to_locked;
    return holds.fetch_add(1, std::memory_order_relaxed);
}

void SwitchPlace::take_back(bool* asked) noexcept {
    std::lock_guard lock(mutex);
    under_way = Step::other;
    holds.fetch_sub(1, std::memory_order_relaxed);
    if (asked != nullptr) *asked = false;
}

void SwitchPlace::end(bool* asked) noexcept {
    switching_here = false;
    {
        std::lock_guard lock(mutex);
        under_way = Step::none;
        if (asked != nullptr) *asked = true;
    }
    changed.notify_all();
}

void SwitchPlace::set(Step step) noexcept {
    std::lock_guard lock(mutex);
    under_way = step;
}

void wake_switcher() noexcept {
    SwitchPlace& place = process().switching;
    if (!place.waiting.load(std::memory_order_seq_cst)) return;
    {
        std::lock_guard lock(place.mutex);
    }
    place.changed.notify_all();
}

}  // namespace interlock::detail
