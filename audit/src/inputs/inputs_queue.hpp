// inputs_queue.hpp: hands work from the one thread that reads the inputs to oneTBB. Nobody ever waits for oneTBB: it
// gives workers when it has some to spare, and the reading thread does what is left. So an audit that is started from
// within parallel work, when all workers are busy, takes longer and does not hang.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace interlock::auditing::inputs {

/// `process` runs on several threads and must not throw. All functions are for the thread that made the queue.
template <typename Item>
class WorkQueue {
public:
    /// `threads` counts this one; 0 = one for each core; never more than tbb::global_control allows.
    WorkQueue(unsigned threads, std::function<void(Item)> process) : shared_(std::make_shared<Shared>()) {
        shared_->process = std::move(process);
        // Beyond what the program allows oneTBB prints a warning, and gives no more workers anyway.
        const std::size_t allowed = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
        const std::size_t wanted = threads == 0 ? static_cast<std::size_t>(tbb::info::default_concurrency()) : threads;
        workers_ = static_cast<unsigned>(std::min(wanted, allowed) - 1);
        // No slot is kept for a thread that joins: this one does not.
        if (workers_ > 0) arena_.initialize(static_cast<int>(workers_), 0);
    }
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;
    /// What has not been begun is dropped.
    ~WorkQueue() {
        std::unique_lock lock(shared_->mutex);
        std::deque<Item> dropped = std::exchange(shared_->items, {});
        shared_->idle.wait(lock, [&] { return shared_->busy == 0; });
        lock.unlock();
        keep_for_workers(std::move(shared_));
    }

    void push(Item item) {
        if (workers_ == 0) return shared_->process(std::move(item));
        bool start = false;
        {
            const std::lock_guard lock(shared_->mutex);
            shared_->items.push_back(std::move(item));
            start = shared_->started < workers_;
            if (start) ++shared_->started;
        }
        // A worker may come when everything is done, and even after the queue is gone: it shares what it looks at.
        if (start) arena_.enqueue([shared = shared_] { shared->work(); });
    }

    /// Does one item on this thread; false when none is left to begin.
    bool help() { return shared_->one(); }

    /// Until all is done.
    void finish() {
        while (help()) {
        }
        std::unique_lock lock(shared_->mutex);
        shared_->idle.wait(lock, [&] { return shared_->busy == 0; });
    }

private:
    struct Shared;
    /// What a worker that has not come yet will look at, if it comes: oneTBB may forget it, and nothing would refer to
    /// it.
    static void keep_for_workers(std::shared_ptr<Shared> shared) {
        static std::mutex mutex;
        static auto* kept = new std::vector<std::shared_ptr<Shared>>;  // workers may outlive static destructors
        const std::lock_guard lock(mutex);
        std::erase_if(*kept, [](const auto& other) { return other.use_count() == 1; });
        if (shared.use_count() > 1) kept->push_back(std::move(shared));
    }

    struct Shared {
        std::mutex mutex;
        std::condition_variable idle;
        std::deque<Item> items;
        std::function<void(Item)> process;
        unsigned busy = 0;     ///< items being worked on
        unsigned started = 0;  ///< workers that were asked for and have not ended

        bool one() {
            {
                std::unique_lock lock(mutex);
                if (items.empty()) return false;
                Item item = std::move(items.front());
                items.pop_front();
                ++busy;
                lock.unlock();
                process(std::move(item));
            }
            // The item is gone by now, and with it its share of the memory.
            const std::lock_guard lock(mutex);
            if (--busy == 0) idle.notify_all();
            return true;
        }

        void work() {
            for (;;) {
                if (one()) continue;
                const std::lock_guard lock(mutex);
                // Between the two somebody may have put in an item, and asked for no further worker.
                if (!items.empty()) continue;
                --started;
                return;
            }
        }
    };

    std::shared_ptr<Shared> shared_;
    tbb::task_arena arena_{tbb::task_arena::automatic};
    unsigned workers_ = 0;
};

}  // namespace interlock::auditing::inputs
