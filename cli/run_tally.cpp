// run_tally.cpp: the counters of `interlock run` (run_tally.hpp).
//
// SPDX-License-Identifier: MIT
#include "run_tally.hpp"

namespace interlock::cli {

void Tally::add(std::uint64_t bytes, InputEnd end) {
    {
        const std::lock_guard lock(mutex_);
        const Mode mode = runtime_.mode();
        if (phases_.empty() || phases_.back().mode != mode) {
            // The phase before it ended with its last input, so that time between the two belongs to the new one.
            phases_.push_back({.mode = mode});
        }
        const Clock::time_point now = Clock::now();
        Phase& phase = phases_.back();
        phase.seconds += std::chrono::duration<double>(now - phase_begin_).count();
        phase_begin_ = now;
        ++phase.inputs;
        phase.bytes += bytes;
        bytes_ += bytes;
        ++counts_[static_cast<std::size_t>(end)];
        if (bar_ != nullptr) bar_->update({done_locked(), bytes_, total_, "inputs", mode_name(mode)});
    }
    changed_.notify_all();
}

void Tally::finish() {
    {
        const std::lock_guard lock(mutex_);
        finished_ = true;
    }
    changed_.notify_all();
}

bool Tally::wait_for(std::uint64_t inputs) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_ || done_locked() >= inputs; });
    return done_locked() >= inputs;
}

std::uint64_t Tally::count(InputEnd end) const {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<std::size_t>(end)];
}

std::uint64_t Tally::done() const {
    const std::lock_guard lock(mutex_);
    return done_locked();
}

std::vector<Phase> Tally::phases() const {
    const std::lock_guard lock(mutex_);
    return phases_;
}

}  // namespace interlock::cli
