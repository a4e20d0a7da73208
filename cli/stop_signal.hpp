// stop_signal.hpp: lets the user end a long job decently: the first SIGINT or SIGTERM asks it to stop, the second one
// kills the process.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>

namespace interlock::cli {

/// Listens for its lifetime; one at a time.
class StopSignal {
public:
    StopSignal();
    ~StopSignal();
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;

    /// The number of the signal that came, or 0. [any-thread]
    int received() const noexcept;
    /// A file descriptor that becomes readable when a signal comes, and stays so; to wait for with poll().
    int descriptor() const noexcept;

private:
    struct sigaction old_interrupt_{}, old_terminate_{};
};

}  // namespace interlock::cli
