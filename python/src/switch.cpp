// switch.cpp: the counts behind the rules. All of it is under one mutex that is held for some instructions only; who
// has to wait does so outside, for a change.
//
// SPDX-License-Identifier: MIT
#include "switch.hpp"

#include <algorithm>
#include <new>

namespace interlock::python {

void Switch::want() {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    hold_if_wanted();
}

bool Switch::is_wanted() const {
    const std::lock_guard lock(mutex_);
    return wanted_;
}

bool Switch::is_held() const {
    const std::lock_guard lock(mutex_);
    return held_;
}

bool Switch::is_on_for_good() const {
    const std::lock_guard lock(mutex_);
    return on_for_good_;
}

void Switch::hold_if_wanted() {
    // While the GIL is on it may be on for an import that has been counted, and that would not be counted down.
    if (!wanted_ || held_ || on_for_good_ || !uncounted_.empty() || interpreter_.gil_is_on()) return;
    held_ = true;
    interpreter_.set_enable_gil(0);
}

void Switch::count_down(Counts& counts, Thread thread) {
    const auto found = counts.find(thread);
    if (found != counts.end() && --found->second == 0) counts.erase(found);
}

void Switch::changed() {
    ++changes_;
    changed_.notify_all();
}

unsigned Switch::changes() const {
    const std::lock_guard lock(mutex_);
    return changes_;
}

void Switch::wait_for_change(unsigned seen, std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, longest, [&] { return changes_ != seen; });
}

Switch::Began Switch::begin_held(Thread me) {
    const std::lock_guard lock(mutex_);
    hold_if_wanted();
    const bool counts = held_ && !on_for_good_;
    const Began began = !counts ? Began::uncounted : inside_.empty() ? Began::held : Began::in_window;
    ++(began == Began::uncounted ? uncounted_ : began == Began::held ? outside_ : inside_)[me];
    return began;
}

bool Switch::nobody_can_end(Thread me) const {
    return std::ranges::all_of(outside_, [&](const auto& one) {
        return one.first == me || parked_.contains(one.first) || inside_.contains(one.first);
    });
}

Switch::Began Switch::begin_in_window(Thread me, bool force) {
    const std::lock_guard lock(mutex_);
    hold_if_wanted();
    if (!held_ || on_for_good_) {
        ++uncounted_[me];
        return Began::uncounted;
    }
    if (!force && !inside_.contains(me) && !nobody_can_end(me)) return Began::not_yet;
    ++inside_[me];
    interpreter_.set_enable_gil(-1);
    return Began::in_window;
}

void Switch::close_if_unused() {
    if (!inside_.empty() || !held_ || on_for_good_) return;
    // No import is counted now, so if the GIL is on it has come to stay, and the setting is of no more use.
    if (interpreter_.gil_is_on())
        on_for_good_ = true;
    else
        interpreter_.set_enable_gil(0);
}

bool Switch::end(Thread me, Began began) {
    const std::lock_guard lock(mutex_);
    switch (began) {
        case Began::not_yet:
            return false;
        case Began::uncounted:
            count_down(uncounted_, me);
            return false;
        case Began::held:
            count_down(outside_, me);
            changed();
            return false;
        case Began::in_window:
            break;
    }
    count_down(inside_, me);
    close_if_unused();
    changed();
    return !on_for_good_ && !inside_.empty() && outside_.contains(me) && !inside_.contains(me);
}

bool Switch::may_go_on() const {
    const std::lock_guard lock(mutex_);
    return inside_.empty() || on_for_good_;
}

void Switch::park(Thread me) {
    const std::lock_guard lock(mutex_);
    ++parked_[me];
    changed();
}

void Switch::unpark(Thread me) {
    const std::lock_guard lock(mutex_);
    count_down(parked_, me);
}

bool Switch::begin_turning_on(Thread me) {
    const std::lock_guard lock(mutex_);
    if (turning_depth_ != 0 && turning_ != me) return false;
    turning_ = me;
    ++turning_depth_;
    return true;
}

void Switch::end_turning_on(bool is_on_for_good) {
    const std::lock_guard lock(mutex_);
    --turning_depth_;
    on_for_good_ = on_for_good_ || is_on_for_good;
    changed();
}

Switch::State Switch::state() const {
    const std::lock_guard lock(mutex_);
    return {held_, on_for_good_, outside_.size(), inside_.size(), parked_.size()};
}

void Switch::before_fork() { mutex_.lock(); }

void Switch::after_fork_in_parent() { mutex_.unlock(); }

void Switch::after_fork_in_child() {
    // Threads that waited for it are gone, and cannot say so.
    new (&changed_) std::condition_variable;
    mutex_.unlock();
}

void Switch::forget_other_threads(Thread me) {
    const std::lock_guard lock(mutex_);
    for (Counts* counts : {&uncounted_, &outside_, &inside_, &parked_})
        std::erase_if(*counts, [&](const auto& one) { return one.first != me; });
    if (turning_ != me) turning_depth_ = 0;
    close_if_unused();
}

}  // namespace interlock::python
