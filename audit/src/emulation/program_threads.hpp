// program_threads.hpp: the threads that a program started, of which the emulator has none: they run when somebody
// waits.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// A thread that was started, and has not run.
struct StartedThread {
    std::uint64_t function = 0, argument = 0;
};

class ProgramThreads {
public:
    /// What is too much is left out.
    void start(StartedThread thread) {
        constexpr std::size_t most = 256;
        if (started_.size() < most) started_.push_back(thread);
    }
    bool any() const noexcept { return !started_.empty(); }
    /// The first that has not run; nullopt without one.
    std::optional<StartedThread> take() {
        if (started_.empty()) return std::nullopt;
        const StartedThread first = started_.front();
        started_.pop_front();
        return first;
    }
    /// Somebody waits, and none is left that could end it. False when that was too often.
    bool wait_in_vain() noexcept {
        constexpr unsigned patience = 64;
        return ++waits_ <= patience;
    }
    /// Whether the image has the runtime of Go, which needs threads of its own. (model_threads.cpp)
    bool has_go_runtime(const image::Image& image);

private:
    std::deque<StartedThread> started_;
    unsigned waits_ = 0;
    std::optional<bool> go_runtime_;  ///< once somebody looked
};

}  // namespace interlock::auditing::emulation
