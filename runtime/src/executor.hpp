// The threads that run module code. A loop belongs to its caller, which runs chunks until none is left and then waits
// for the threads that have begun one, and for nothing else; so no loop needs another thread in order to end. Threads
// of a oneTBB arena come to help (docs/design.md, "The executor"). Attach is per chunk: an idle thread must not count
// as attached.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>

#include <interlock/runtime.hpp>

namespace interlock::detail {

class Executor {
public:
    explicit Executor(unsigned threads);  // 0: one for each CPU
    ~Executor();

    unsigned threads() const noexcept { return threads_; }
    void run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Runtime::Chunk chunk, void* context);
    void enqueue(std::shared_ptr<AnyJob> job);
    /// Until all that was enqueued has run: what nobody has begun runs here. The caller is not attached.
    void wait();

private:
    struct Loop;
    struct Work;
    struct Leftovers;
    class Opened;
    struct Arena;
    void invite(unsigned count) noexcept;

    unsigned threads_;
    std::shared_ptr<Work> work_;  // shared with invitations that nobody has followed yet
    std::unique_ptr<Arena> arena_;
};

}  // namespace interlock::detail
