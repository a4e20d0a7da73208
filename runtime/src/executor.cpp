// The oneTBB executor (executor.hpp).
//
// SPDX-License-Identifier: MIT
#include "executor.hpp"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <atomic>
#include <optional>

#include "process_state.hpp"

namespace interlock::detail {

struct Executor::Arena {
    explicit Arena(unsigned threads) : arena(static_cast<int>(threads)) {
        // oneTBB makes no more workers than CPUs unless it is told that it may.
        if (threads > static_cast<unsigned>(tbb::info::default_concurrency()))
            more_threads.emplace(tbb::global_control::max_allowed_parallelism, threads);
    }
    std::optional<tbb::global_control> more_threads;
    tbb::task_arena arena;
    tbb::task_group tasks;
    std::atomic<bool> used{false};  // by tasks
};

Executor::Executor(unsigned threads)
    : threads_(threads != 0 ? threads : static_cast<unsigned>(tbb::info::default_concurrency())),
      arena_(std::make_unique<Arena>(threads_)) {}

Executor::~Executor() {
    if (process().forked_child.load(std::memory_order_relaxed)) {
        // Destroying an arena whose workers do not exist in this process would wait for them.
        static_cast<void>(arena_.release());
    }
}

void Executor::run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Runtime::Chunk chunk, void* context) {
    if (begin >= end) return;
    if (process().forked_child.load(std::memory_order_relaxed)) {
        Attached attached;
        chunk(context, begin, end);
        return;
    }
    const bool from_module = this_thread != nullptr && this_thread->site.load(std::memory_order_relaxed) != nullptr;
    Detached while_waiting;
    const auto body = [=](const tbb::blocked_range<std::size_t>& range) {
        Attached attached;
        chunk(context, range.begin(), range.end());
    };
    const auto loop = [&] {
        if (grain == 0)
            tbb::parallel_for(tbb::blocked_range<std::size_t>(begin, end), body, tbb::auto_partitioner());
        else
            tbb::parallel_for(tbb::blocked_range<std::size_t>(begin, end, grain), body, tbb::simple_partitioner());
    };
    arena_->arena.execute([&] {
        // A module that waits here is in the middle of a call: it must not be handed another caller's body, which could
        // import or call that module again beneath it.
        if (from_module)
            tbb::this_task_arena::isolate(loop);
        else
            loop();
    });
}

void Executor::enqueue(std::function<void()> function) {
    auto run = [function = std::move(function)] {
        Attached attached;
        function();
    };
    if (process().forked_child.load(std::memory_order_relaxed)) {
        run();
        return;
    }
    arena_->used.store(true, std::memory_order_relaxed);
    arena_->arena.enqueue(arena_->tasks.defer(std::move(run)));
}

void Executor::wait() {
    // Without that question oneTBB would be started, which takes milliseconds, only to wait for nothing.
    if (process().forked_child.load(std::memory_order_relaxed) || !arena_->used.load(std::memory_order_relaxed)) return;
    arena_->arena.execute([&] { arena_->tasks.wait(); });
}

}  // namespace interlock::detail
