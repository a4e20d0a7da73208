// progress.hpp: the progress bar: one line on the terminal at stderr, erased at the end.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "output.hpp"

namespace interlock::cli {

/// What the line shows.
struct Progress {
    std::uint64_t done = 0, bytes = 0;
    std::optional<std::uint64_t> total;  ///< only with it there is a bar
    std::string_view unit;               ///< of `done`, where there is no total: "inputs"
    std::string last;                    ///< mode, or the file at hand; its beginning is cut off where room is short
};

/// Whether a bar makes sense: stderr is a terminal that can move its cursor.
bool progress_possible();

/// Shows it below what is written to stderr, for its lifetime. One thread at a time.
class ProgressBar {
public:
    explicit ProgressBar(Output& output) : output_(output) {}
    ~ProgressBar() { output_.show_progress(""); }
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// Draws at most ten times a second.
    void update(const Progress& progress);

private:
    using Clock = std::chrono::steady_clock;
    Output& output_;
    const Clock::time_point begin_ = Clock::now();
    Clock::time_point next_ = begin_;
};

/// "1.5 MB"; decimal units.
std::string in_bytes(double bytes);

}  // namespace interlock::cli
