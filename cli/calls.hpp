// calls.hpp: whom the command is calling at the moment. Modules are native code: one may end the process, crash it or
// never return, and then it has to be said who it was (call_guard.hpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cxxabi.h>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <interlock/thread.hpp>

namespace interlock::cli {

/// A line of text in memory of its own, for where nothing may be allocated. What does not fit is left out.
/// [any-thread], one owner; async-signal-safe
class Line {
public:
    Line& add(std::string_view text) noexcept;
    /// Between quotes, at most `most` bytes of it; all but printable ASCII as \xNN.
    Line& add_quoted(std::string_view text, std::size_t most = 400) noexcept;
    Line& add_number(long number) noexcept;
    /// To stderr, with a newline.
    void write() noexcept;
    std::string_view text() const noexcept { return {text_, used_}; }

private:
    static constexpr std::size_t size = 4096;
    char text_[size + 1];  // and the newline
    std::size_t used_ = 0;
};

enum class CallKind : std::uint8_t { import, function, unload };

/// What a thread of the command is calling. Never freed, used again for a later thread.
struct CallRecord {
    // Guarded by `busy`, against other threads; the owner alone writes.
    std::atomic_flag busy;
    bool under_way = false;
    CallKind kind = CallKind::import;
    std::string module, function, input;
    std::chrono::steady_clock::time_point since;
    // Of the watch alone: when it last saw that nobody was inside a module, and when it speaks next.
    std::chrono::steady_clock::time_point outside;
    std::chrono::nanoseconds next_report{};

    detail::ThreadSlot* slot = nullptr;  ///< of the same thread
    std::atomic<bool> in_use{false};
    CallRecord* next = nullptr;  ///< all records ever made
};

/// What the command calls: the function is for CallKind::function, the input for what works through many.
struct Callee {
    CallKind kind;
    std::string_view module, function = {}, input = {};
};

/// Has the record of this thread for its lifetime. [any-thread]
class Call {
public:
    explicit Call(const Callee& callee);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    /// pthread_exit() in the module is ending the thread: the process ends as well, and the module is named.
    [[noreturn]] void thread_ends() const noexcept;

private:
    CallRecord& record_;
};

/// All calls of the command into modules go through here; returns what `body` returns. [any-thread]
template <typename Body>
auto call_module(const Callee& callee, Body&& body) {
    const Call call(callee);
    try {
        return body();
    } catch (abi::__forced_unwind&) {
        call.thread_ends();
    }
}

/// The newest of all records, or null. [any-thread], async-signal-safe
CallRecord* all_call_records() noexcept;

/// "in function 'f' of module 'm', for input 'x'": where the calling thread is; of a thread that is in no call of the
/// command, which calls are under way. [any-thread], async-signal-safe
void add_place(Line& line) noexcept;
/// Where the thread of a record is, which must be marked as busy. [any-thread]
void add_place(Line& line, const CallRecord& record) noexcept;

}  // namespace interlock::cli
