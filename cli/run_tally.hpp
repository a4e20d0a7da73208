// run_tally.hpp: counts what `interlock run` has done, by the mode in which it was done.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <interlock/runtime.hpp>
#include <mutex>
#include <optional>
#include <vector>

#include "progress.hpp"

namespace interlock::cli {

/// A time in which the mode was the same, as far as the ends of calls tell.
struct Phase {
    Mode mode = Mode::parallel;
    std::uint64_t inputs = 0, bytes = 0;
    double seconds = 0;
};

enum class InputEnd { ok, failed, unreadable };

/// All members: [any-thread], detached.
class Tally {
public:
    /// `bar` may be null.
    Tally(const Runtime& runtime, std::optional<std::size_t> total, ProgressBar* bar)
        : runtime_(runtime), total_(total), bar_(bar) {}

    void add(std::uint64_t bytes, InputEnd end);
    /// No more will be added.
    void finish();
    /// Waits until `inputs` are done, or finish(); whether they are.
    bool wait_for(std::uint64_t inputs);

    std::uint64_t count(InputEnd end) const;
    std::uint64_t done() const;
    std::vector<Phase> phases() const;

private:
    using Clock = std::chrono::steady_clock;
    std::uint64_t done_locked() const noexcept { return counts_[0] + counts_[1] + counts_[2]; }

    const Runtime& runtime_;
    const std::optional<std::size_t> total_;
    ProgressBar* const bar_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t counts_[3] = {}, bytes_ = 0;
    std::vector<Phase> phases_;
    Clock::time_point phase_begin_ = Clock::now();
    bool finished_ = false;
};

}  // namespace interlock::cli
