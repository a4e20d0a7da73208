// The threads that run module code: a oneTBB arena. Attach is per chunk, never per visit of the arena (an idle worker
// must not count as attached), and nothing is held while oneTBB waits.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include <interlock/runtime.hpp>

namespace interlock::detail {

class Executor {
public:
    explicit Executor(unsigned threads);  // 0: one for each CPU
    ~Executor();

    unsigned threads() const noexcept { return threads_; }
    void run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Runtime::Chunk chunk, void* context);
    void enqueue(std::function<void()> function);
    /// Until all that was enqueued has run.
    void wait();

private:
    struct Arena;
    unsigned threads_;
    std::unique_ptr<Arena> arena_;
};

}  // namespace interlock::detail
