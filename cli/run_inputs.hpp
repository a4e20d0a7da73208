// run_inputs.hpp: the inputs of `interlock run`: which files there are, in a stable order, and what is in them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <interlock/result.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stop_signal.hpp"

namespace interlock::cli {

struct Input {
    std::size_t index = 0;  ///< in the order of all inputs
    std::string path;
    std::optional<Error> error;  ///< it cannot be used; the message does not repeat the path
};

/// Files as they are given; folders as the regular files in them and below, sorted by name, without what symbolic links
/// found there lead to; or, for a single "-", the names that come from stdin.
class InputSource {
public:
    /// `separator` is that of names on stdin.
    InputSource(const std::vector<std::string>& arguments, char separator, const StopSignal& stop);

    /// How many there are; nullopt when they come from stdin.
    std::optional<std::size_t> total() const noexcept { return total_; }
    /// The next one; nullopt at the end, or when a signal asked to stop. May block. Throws CommandError when stdin
    /// cannot be read. [any-thread], detached
    std::optional<Input> next();
    /// There is no next one any more. [any-thread]
    void close() noexcept { closed_.store(true); }

private:
    void add(const std::string& name);
    void add_folder(const std::string& folder);
    bool refill();

    const StopSignal& stop_;
    const char separator_;
    std::optional<std::size_t> total_;
    std::mutex mutex_;
    std::deque<Input> pending_;
    std::string text_;  // read from stdin, not yet taken apart
    bool stdin_open_ = false;
    std::size_t next_index_ = 0;
    std::atomic<bool> closed_{false};
};

/// Reads all of a regular file, never blocking on what is none. Errors: not_found, unreadable, io_error; the messages
/// do not repeat the path.
Outcome read_content(const std::string& path, std::string& content);

/// Where `text` stops being UTF-8; nullopt if it is.
std::optional<std::size_t> first_invalid_utf8(std::string_view text) noexcept;

}  // namespace interlock::cli
