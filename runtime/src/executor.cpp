// The executor (executor.hpp): loops that callers have opened, jobs that were submitted, and the visits of oneTBB's
// threads to both.
//
// SPDX-License-Identifier: MIT
#include "executor.hpp"

#include <cxxabi.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include <interlock/gate.hpp>

#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock::detail {

namespace {

constexpr unsigned max_threads = 1024;

bool in_forked_child() noexcept { return process().forked_child.load(std::memory_order_relaxed); }

// Whether the exception that is being handled is the unwinding by which pthread_exit() and pthread_cancel() end a
// thread.
bool thread_is_ending() noexcept { return abi::__cxa_current_exception_type() == nullptr; }

// Wherever oneTBB calls us: a thread that is in the middle of something may come here while it waits in its own use of
// oneTBB, if that has entered our arena anew. What it would run then could depend on what lies beneath.
bool is_outermost(const ThreadSlot& slot) noexcept {
    return slot.depth == 0 && slot.loader_frame == nullptr && slot.loader_imports == nullptr &&
           slot.site.load(std::memory_order_relaxed) == nullptr;
}
thread_local bool visiting = false;

// The thread ends (pthread_exit) in C code that a chunk has called: it is still attached, and may hold what a helper
// waits for, or what it takes again itself when it has left the loop.
void leave_what_is_open() noexcept {
    if (!is_attached()) return;
    if (own_slot()->critical != nullptr)
        fatal("a thread ended (pthread_exit?) inside a critical section of C code; end the section first");
    Suspended dropped;
    suspend(dropped);
}

/// Detaches for the time of a loop.
struct Outside {
    ~Outside() { leave_what_is_open(); }
    Detached detached{};
};

}  // namespace

/// One call of run_chunks(), on the stack of its caller.
struct Executor::Loop {
    Loop(std::size_t begin, std::size_t loop_end, std::size_t loop_grain, Runtime::Chunk loop_chunk, void* loop_context)
        : chunk(loop_chunk), context(loop_context), end(loop_end), grain(loop_grain), next(begin) {}

    /// The next chunk; false if none is left. Without a grain the first ones are large and the last ones small.
    bool take(unsigned threads, std::size_t& first, std::size_t& last) noexcept {
        first = next.load(std::memory_order_relaxed);
        do {
            if (first >= end) return false;
            const std::size_t left = end - first;
            const std::size_t size = grain != 0 ? grain : std::max<std::size_t>(left / (std::size_t{4} * threads), 1);
            last = first + std::min(size, left);
        } while (!next.compare_exchange_weak(first, last, std::memory_order_relaxed));
        return true;
    }
    bool exhausted() const noexcept { return next.load(std::memory_order_relaxed) >= end; }
    void stop() noexcept { next.store(end, std::memory_order_relaxed); }

    const Runtime::Chunk chunk;
    void* const context;
    const std::size_t end, grain;
    std::atomic<std::size_t> next;
    void* frame = nullptr;  // what the caller is in the middle of, and so its helpers, too
    void* imports = nullptr;

    // Under Work::mutex.
    unsigned helpers = 0, most_helpers = 0;
    std::exception_ptr failure;  // the first
    std::condition_variable no_helpers;
    Loop* newer = nullptr;
    Loop* older = nullptr;
};

/// What is left of executors that are gone, as long as invitations of theirs lie in an arena. oneTBB keeps these in
/// memory where no tool looks, so that all they lead to would seem to have leaked.
struct Executor::Leftovers {
    /// Never destroyed: a thread of oneTBB may be late.
    static Leftovers& all() {
        static Leftovers& only = *new Leftovers;
        return only;
    }
    // Both under Work::mutex; this mutex is a leaf.
    void keep(const std::shared_ptr<Work>& work) noexcept;
    void drop(Work& work) noexcept;

    std::mutex mutex;
    std::shared_ptr<Work> first;
};

struct Executor::Work {
    explicit Work(unsigned executor_threads) : threads(executor_threads) {}

    const unsigned threads;
    std::mutex mutex;  // of what follows; nothing but bookkeeping is done under it
    Loop* newest = nullptr;
    std::deque<std::shared_ptr<AnyJob>> jobs;
    unsigned running_jobs = 0;
    std::condition_variable no_running_jobs;
    unsigned visitors = 0;             // invited, or here; bounded, as nobody may follow an invitation for long
    tbb::task_arena* arena = nullptr;  // null: the executor is gone
    std::shared_ptr<Work> next_left;   // of Leftovers, under the mutex of that

    /// How many to invite of so many who could help. Under mutex.
    unsigned invitations(std::size_t wanted) noexcept {
        const unsigned most = std::max(threads - 1, 1u);
        const auto count = static_cast<unsigned>(std::min<std::size_t>(wanted, most - std::min(most, visitors)));
        visitors += count;
        return count;
    }
    void uninvite(unsigned count) noexcept {
        std::lock_guard guard(mutex);
        gone(count);
    }
    /// Under mutex, and the same hold of it under which they saw that there is nothing to do.
    void gone(unsigned count) noexcept {
        visitors -= std::min(visitors, count);
        if (visitors == 0 && arena == nullptr) Leftovers::all().drop(*this);
    }

    void run_job(std::unique_lock<std::mutex>& guard) noexcept;
    void run_chunks_of(Loop& loop);
    void help(ThreadSlot* slot, Loop& loop, std::unique_lock<std::mutex>& guard) noexcept;
    Loop* open_loop() noexcept;
    void visit(const std::shared_ptr<Work>& self) noexcept;
    void visit_outermost(ThreadSlot* slot, std::unique_lock<std::mutex>& guard) noexcept;
};

void Executor::Leftovers::keep(const std::shared_ptr<Work>& work) noexcept {
    std::lock_guard guard(mutex);
    work->next_left = std::move(first);
    first = work;
}

void Executor::Leftovers::drop(Work& work) noexcept {
    std::lock_guard guard(mutex);
    for (std::shared_ptr<Work>* link = &first; *link != nullptr; link = &(*link)->next_left) {
        if (link->get() != &work) continue;
        std::shared_ptr<Work> next = std::move(work.next_left);
        *link = std::move(next);  // whoever calls has a reference of its own
        return;
    }
}

struct Executor::Arena {
    explicit Arena(unsigned threads) : arena(static_cast<int>(threads)) {
        // oneTBB makes no more workers than CPUs unless it is told that it may.
        if (threads > static_cast<unsigned>(tbb::info::default_concurrency()))
            more_threads.emplace(tbb::global_control::max_allowed_parallelism, threads);
    }
    /// A thread of oneTBB that cannot make the next one ends the process. So this tries first whether there could be so
    /// many, once.
    bool has_threads(unsigned threads) noexcept {
        std::call_once(tried, [&] {
            const NoCancellation guarded;
            std::vector<std::thread> probes;
            {
                std::mutex all_at_once;
                std::unique_lock begin(all_at_once);
                try {
                    for (unsigned i = 1; i < std::max(threads, 2u); ++i)
                        probes.emplace_back([&] { std::lock_guard guard(all_at_once); });
                    usable = true;
                } catch (...) {
                    // No threads or no memory: callers do everything.
                }
                begin.unlock();
                for (std::thread& probe : probes) probe.join();
            }
        });
        return usable;
    }
    std::optional<tbb::global_control> more_threads;
    tbb::task_arena arena;
    std::once_flag tried;
    bool usable = false;
};

Executor::Executor(unsigned threads)
    : threads_(std::min(threads != 0 ? threads : static_cast<unsigned>(tbb::info::default_concurrency()), max_threads)),
      work_(std::make_shared<Work>(threads_)),
      arena_(std::make_unique<Arena>(threads_)) {
    work_->arena = &arena_->arena;
    static_cast<void>(Leftovers::all());  // while there is no harm in having no memory for it
}

Executor::~Executor() {
    if (in_forked_child()) {
        // Destroying an arena whose workers do not exist in this process would wait for them.
        static_cast<void>(arena_.release());
        return;
    }
    std::lock_guard guard(work_->mutex);
    work_->arena = nullptr;
    if (work_->visitors != 0) Leftovers::all().keep(work_);
}

/// A loop that others may join: from its constructor until, in its destructor, none of them is in it any more.
class Executor::Opened {
public:
    Opened(Work& work, Loop& loop) : work_(work), loop_(loop) {
        std::lock_guard guard(work_.mutex);
        loop_.older = work_.newest;
        if (loop_.older != nullptr) loop_.older->newer = &loop_;
        work_.newest = &loop_;
    }
    ~Opened() {
        loop_.stop();
        // The others are not in the child of a fork, and may have had the mutex.
        if (in_forked_child()) return;
        leave_what_is_open();
        const NoCancellation guarded;
        std::unique_lock guard(work_.mutex);
        (loop_.newer != nullptr ? loop_.newer->older : work_.newest) = loop_.older;
        if (loop_.older != nullptr) loop_.older->newer = loop_.newer;
        if (loop_.helpers != 0) IL_POINT("executor.waiting");
        loop_.no_helpers.wait(guard, [this] { return loop_.helpers == 0; });
    }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;

private:
    Work& work_;
    Loop& loop_;
};

void Executor::run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Runtime::Chunk chunk, void* context) {
    if (begin >= end) return;
    if (in_forked_child()) {
        Attached attached;
        chunk(context, begin, end);
        return;
    }
    const Outside outside;
    Loop loop(begin, end, grain, chunk, context);
    const std::size_t others = (end - begin - 1) / std::max<std::size_t>(grain, 1);  // chunks beside the first
    loop.most_helpers = static_cast<unsigned>(std::min<std::size_t>(others, threads_ - 1));
    if (loop.most_helpers == 0) {
        work_->run_chunks_of(loop);
    } else {
        loop.frame = own_slot()->loader_frame;
        loop.imports = own_slot()->loader_imports;
        const Opened opened(*work_, loop);
        unsigned count;
        {
            std::lock_guard guard(work_->mutex);
            count = work_->invitations(loop.most_helpers);
        }
        invite(count);
        work_->run_chunks_of(loop);
    }
    if (loop.failure) std::rethrow_exception(loop.failure);
    if (loop.helpers != 0)
        throw Failure({Errc::wrong_state,
                       "the process was forked in the middle of a parallel loop: in the child the "
                       "pieces that other threads had begun are lost"});
}

// Runs chunks until none is left. The first exception stops the loop, and is kept.
void Executor::Work::run_chunks_of(Loop& loop) {
    std::size_t first, last;
    while (loop.take(threads, first, last)) {
        try {
            Attached attached;
            loop.chunk(loop.context, first, last);
        } catch (...) {
            if (thread_is_ending()) throw;
            loop.stop();
            std::unique_lock guard(mutex, std::defer_lock);
            if (!in_forked_child()) guard.lock();
            if (!loop.failure) loop.failure = std::current_exception();
        }
    }
}

// With `guard` locked before and afterwards, but for the child of a fork: there others may have had the mutex.
void Executor::Work::help(ThreadSlot* slot, Loop& loop, std::unique_lock<std::mutex>& guard) noexcept {
    ++loop.helpers;
    guard.unlock();
    slot->loader_frame = loop.frame;
    slot->loader_imports = loop.imports;
    try {
        run_chunks_of(loop);
    } catch (...) {
        fatal(
            "a thread of the executor was ended (pthread_exit or pthread_cancel?) by a piece of a parallel loop; "
            "return from it instead");
    }
    slot->loader_frame = slot->loader_imports = nullptr;
    if (in_forked_child()) return;
    guard.lock();
    if (--loop.helpers == 0) loop.no_helpers.notify_one();  // under the mutex: afterwards the loop may be gone
}

Executor::Loop* Executor::Work::open_loop() noexcept {
    // The newest first: it may be part of what the older ones wait for.
    Loop* loop = newest;
    while (loop != nullptr && (loop->exhausted() || loop->helpers == loop->most_helpers)) loop = loop->older;
    return loop;
}

void Executor::Work::run_job(std::unique_lock<std::mutex>& guard) noexcept {
    std::shared_ptr<AnyJob> job = std::move(jobs.front());
    jobs.pop_front();
    ++running_jobs;
    guard.unlock();
    try {
        if (!job->begun()) {
            Attached attached;
            job->run();
        }
    } catch (const std::exception&) {
        // No memory for a thread's slot, or no runtime: whoever wants the result runs it in get().
    } catch (...) {
        fatal(
            "a thread of the executor was ended (pthread_exit or pthread_cancel?) by a submitted function; return "
            "from it instead");
    }
    job.reset();  // without the mutex: what the function has captured may do anything when it is destroyed
    if (in_forked_child()) return;
    guard.lock();
    if (--running_jobs == 0) no_running_jobs.notify_all();
}

// What a thread of oneTBB does here. Jobs first: a loop has its caller, a job may have nobody else.
void Executor::Work::visit_outermost(ThreadSlot* slot, std::unique_lock<std::mutex>& guard) noexcept {
    for (;;) {
        if (!jobs.empty())
            run_job(guard);
        else if (Loop* loop = open_loop())
            help(slot, *loop, guard);
        else
            return;
        if (!guard.owns_lock())
            fatal(
                "the child of a fork returned from a body to a thread of the executor, which exists in the parent "
                "only; end the child with _exit() or exec() inside the body");
    }
}

void Executor::Work::visit(const std::shared_ptr<Work>& self) noexcept {
    ThreadSlot* slot;
    try {
        slot = own_slot();
    } catch (...) {
        return uninvite(1);
    }
    if (visiting || !is_outermost(*slot)) {
        IL_POINT("executor.refused");
        std::lock_guard guard(mutex);
        try {
            if (arena != nullptr) return arena->enqueue([self] { self->visit(self); });
        } catch (...) {
            // As in invite().
        }
        return gone(1);
    }
    visiting = true;
    std::unique_lock guard(mutex);
    visit_outermost(slot, guard);
    gone(1);
    visiting = false;
}

// Without memory, or without threads to be had, callers do their loops alone.
void Executor::invite(unsigned count) noexcept {
    if (count != 0 && !arena_->has_threads(threads_)) return work_->uninvite(count);
    for (; count != 0; --count) {
        try {
            arena_->arena.enqueue([work = work_] { work->visit(work); });
        } catch (const std::bad_alloc&) {
            return work_->uninvite(count);
        } catch (...) {
            // A thread could not be made. This invitation lies in the arena, for whichever thread comes there.
            return work_->uninvite(count - 1);
        }
    }
}

void Executor::enqueue(std::shared_ptr<AnyJob> job) {
    if (in_forked_child()) {
        Attached attached;
        job->run();
        return;
    }
    unsigned count;
    std::deque<std::shared_ptr<AnyJob>> done;  // destroyed without the mutex, as in run_job()
    {
        std::lock_guard guard(work_->mutex);
        for (auto& jobs = work_->jobs; !jobs.empty() && jobs.front()->begun(); jobs.pop_front())
            done.push_back(std::move(jobs.front()));
        work_->jobs.push_back(std::move(job));
        count = work_->invitations(1);
    }
    invite(count);
}

void Executor::wait() {
    if (in_forked_child()) return;
    const NoCancellation guarded;
    std::unique_lock guard(work_->mutex);
    while (guard.owns_lock() && !work_->jobs.empty()) work_->run_job(guard);
    if (!guard.owns_lock()) return;  // one of them has forked, and this is the child
    work_->no_running_jobs.wait(guard, [&] { return work_->running_jobs == 0; });
}

}  // namespace interlock::detail
