// call_guard.hpp: speaks when a module ends the process, crashes it, or does not return. The exit status of the one is
// that of the command, of the other what it would have been without us.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "calls.hpp"

namespace interlock::cli {

/// For its lifetime, in which the command itself never ends the process; one at a time. In a child that a module has
/// forked it does nothing.
class CallGuard {
public:
    /// A call that takes longer than `limit` ends the command with exit_timeout. `on_stall` gets a text about calls
    /// that take long, on a thread of its own, and the module that the command called.
    CallGuard(std::optional<std::chrono::nanoseconds> limit,
              std::function<void(const std::string& module, std::string text)> on_stall);
    ~CallGuard();
    CallGuard(const CallGuard&) = delete;
    CallGuard& operator=(const CallGuard&) = delete;

private:
    void watch();
    void look(std::chrono::steady_clock::time_point now);

    const std::optional<std::chrono::nanoseconds> limit_;
    const std::function<void(const std::string& module, std::string text)> on_stall_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ended_ = false;
    std::thread thread_;
};

/// A signal handler needs a stack when the thread's own is used up.
void prepare_this_thread();

/// Writes `line`, with what to do, and ends the process with exit_module. [any-thread]
[[noreturn]] void end_for_module(Line& line) noexcept;

}  // namespace interlock::cli
