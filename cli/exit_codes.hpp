// exit_codes.hpp: what the process tells its caller in one number, and the exception that carries it up to main().
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace interlock::cli {

/// Part of the interface: `interlock explain` and docs/cli.md describe each. An interrupted `run` ends, as shells do
/// it, with 128 + the number of the signal.
enum ExitCode : int {
    exit_ok = 0,
    exit_findings = 1,
    exit_usage = 2,
    exit_unreadable = 3,
    exit_bad_policy = 4,
    exit_module = 5,
    exit_timeout = 6,
    exit_internal = 70,
};
inline constexpr std::array<int, 8> all_exit_codes = {exit_ok,         exit_findings, exit_usage,   exit_unreadable,
                                                      exit_bad_policy, exit_module,   exit_timeout, exit_internal};

/// Ends the command: main() prints the message (when there is one) and returns the code.
class CommandError : public std::runtime_error {
public:
    CommandError(int code, std::string message) : std::runtime_error(std::move(message)), code_(code) {}
    int code() const noexcept { return code_; }

private:
    int code_;
};

/// A wrong command line; main() adds where to read how it is right.
class UsageError : public CommandError {
public:
    explicit UsageError(std::string message) : CommandError(exit_usage, std::move(message)) {}
};

}  // namespace interlock::cli
