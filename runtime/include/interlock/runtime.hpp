// interlock/runtime.hpp: the runtime of a process: its mode, the switch between modes, and the oneTBB executor whose
// threads run module code.
//
//     interlock::Runtime runtime;
//     runtime.parallel_for(0, n, [&](std::size_t i) { ... });   // bodies are attached, with a safe point between them
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <interlock/critical_section.hpp>
#include <interlock/event.hpp>
#include <interlock/export.hpp>
#include <interlock/gil_option.hpp>
#include <interlock/result.hpp>
#include <interlock/thread.hpp>

namespace interlock {

/// A thread that holds up a switch.
struct Holder {
    long os_thread = 0;            ///< gettid()
    std::string thread_name;       ///< as pthread_setname_np left it; may be empty
    std::string module, function;  ///< what it runs; empty: code of the host
};

/// Given to RuntimeOptions::on_stall when a switch waits for longer than `stall_report`.
struct StallReport {
    std::string reason;      ///< of the switch
    Mode to = Mode::locked;  ///< which waits for all that are attached; to parallel: for the one with the global lock
    std::chrono::milliseconds waited{};
    std::vector<Holder> holders;
    /// One line for people: who holds up the switch, and what to do.
    IL_API std::string text() const;
};

struct RuntimeOptions {
    GilSetting gil = GilSetting::automatic;
    /// That run the bodies of one loop: its caller, and threads of the executor. 0: one for each CPU; at most 1024.
    unsigned threads = 0;
    std::chrono::microseconds switch_interval{5000};  ///< for which a thread may keep the global lock
    std::chrono::milliseconds stall_report{1000};     ///< when a stalled switch is reported, then once a second;
                                                      ///< a year or more: never
    /// On the switching thread, in the middle of the switch: report and return; to attach or to switch here is an
    /// error. What it throws ends the switch and comes out of switch_to_locked(). A callback has to return:
    /// pthread_exit() in it ends the process, and a pthread_cancel() waits. Empty: a line on stderr.
    std::function<void(const StallReport&)> on_stall = {};
    /// Gets what happens in the runtime and its loader: on the thread where it happened, when that is over, detached,
    /// with no lock held. It may do anything but wait for another event; for `stalled` it must not attach or switch,
    /// as the switch is under way. Threads do not wait for each other's events: RuntimeEvent::number gives their order.
    /// What it throws is dropped; it has to return, as on_stall. Empty: nothing.
    std::function<void(const RuntimeEvent&)> on_event = {};
    /// How a user of this program keeps it parallel whatever a module says, for the advice in warnings: "-X gil=0".
    /// Empty: they do not advise it.
    std::string gil_hint = {};

    /// What the user asks for in the environment, the rest as by default: `gil` from INTERLOCK_GIL or PYTHON_GIL,
    /// `threads` from INTERLOCK_THREADS. For the program to change further before it makes its Runtime. Errors:
    /// invalid_option, unsupported. [any-thread], while nobody changes the environment
    IL_API static Result<RuntimeOptions> from_environment();
};

/// What a switch did.
struct SwitchReport {
    bool switched = false;                ///< false: already locked, or the gil option keeps the mode
    std::chrono::nanoseconds duration{};  ///< until no other thread ran module code
};

struct RuntimeStats {
    Mode mode = Mode::parallel;
    std::uint64_t switches_to_locked = 0, switches_to_parallel = 0;
    std::uint64_t failed_switches = 0;  ///< gave up at their deadline
    std::uint64_t stalls_reported = 0;
    std::chrono::nanoseconds last_switch{}, longest_switch{};
    unsigned holds = 0;                 ///< how many ask for locked mode now
    unsigned threads = 0;               ///< of the executor
    unsigned registered_threads = 0;    ///< alive and known
    unsigned attached_threads = 0;      ///< at this moment
    std::uint64_t exited_attached = 0;  ///< threads that ended without detaching
    bool membarrier = false;            ///< false: the portable, slower attach is in use
};

namespace detail {
/// Work that is done once, by whoever comes first: a thread of the executor, or the one that needs the result.
class AnyJob {
public:
    virtual ~AnyJob() = default;
    bool begun() const noexcept { return taken_.load(std::memory_order_relaxed); }
    void run() {
        if (!taken_.exchange(true, std::memory_order_relaxed)) work();
    }

private:
    virtual void work() = 0;
    std::atomic<bool> taken_{false};
};
template <typename T>
struct Job final : AnyJob {
    explicit Job(std::packaged_task<T()> given) : task(std::move(given)) {}
    void work() override { task(); }
    std::packaged_task<T()> task;
};
}  // namespace detail

/// A result that is on its way; get() detaches while it waits, and throws what the task threw. [any-thread], one owner
template <typename T>
class [[nodiscard]] Task {
public:
    explicit Task(std::shared_ptr<detail::Job<T>> job) : job_(std::move(job)), future_(job_->task.get_future()) {}
    T get() {
        {
            Detached while_waiting;
            // All threads of the executor may be waiting like this one: a task that none of them has begun is done
            // here, so that waiting for a task cannot deadlock.
            if (!job_->begun()) {
                Attached attached;
                job_->run();
            }
            future_.wait();
        }
        return future_.get();
    }

private:
    std::shared_ptr<detail::Job<T>> job_;
    std::future<T> future_;
};

/// The runtime; one per process at a time. Threads need no registration. Destroy it after everything that uses it,
/// from a thread that is not attached.
class Runtime {
public:
    /// Throws Failure: wrong_state if another one lives; unsupported if `gil` is off in a build without free
    /// threading.
    IL_API explicit Runtime(RuntimeOptions options = {});
    IL_API ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    IL_API Mode mode() const noexcept;                                       ///< [any-thread]
    bool is_gil_enabled() const noexcept { return mode() == Mode::locked; }  ///< [any-thread]
    IL_API const RuntimeOptions& options() const noexcept;
    IL_API RuntimeStats stats() const;         ///< [any-thread]
    IL_API unsigned threads() const noexcept;  ///< of the executor

    /// Asks for locked mode, and returns when at most one thread can be attached. Each success must be matched by one
    /// switch_to_parallel(); the mode stays locked as long as somebody asks for it. With GilSetting::off nothing
    /// changes and the report says so. An attached caller is detached while it waits, and comes back in locked mode.
    /// Error switch_timeout after `deadline`, naming who held it up; the runtime is then parallel as before.
    /// In the child of a fork that another thread makes meanwhile, nobody has asked. `asked`, the loader's own: true as
    /// long as this request counts, also in such a child. [any-thread]
    IL_API Result<SwitchReport> switch_to_locked(std::string_view reason,
                                                 std::optional<std::chrono::milliseconds> deadline = std::nullopt,
                                                 bool* asked = nullptr);
    /// Takes one request back; true if the runtime is parallel now. Waits for the holder of the global lock to come to
    /// a safe point, however long that takes, and reports as `on_stall` that it waits. What `on_stall` throws is
    /// ignored here. In the child of a fork that another thread makes meanwhile, it is done. [any-thread]
    IL_API bool switch_to_parallel(bool* asked = nullptr);

    /// Calls body(i) for each i in [begin, end) on the calling thread and, if they have time, on the executor's, and
    /// waits until all have run. Bodies run attached, in chunks of at most `grain` items (0: chosen), with a safe point
    /// between items; the caller is detached meanwhile. While it waits it runs no other work than this loop's, and the
    /// loop ends also when no thread of the executor comes. The first exception is rethrown here; chunks that nobody
    /// has begun do not run then. In the child of a fork the calling thread does it alone; if the fork was in a body,
    /// Failure (wrong_state) says that the chunks of other threads are lost. Waiting is no cancellation point.
    /// [any-thread]
    template <typename Body>
    void parallel_for(std::size_t begin, std::size_t end, Body&& body, std::size_t grain = 0) {
        run_chunks(
            begin, end, grain,
            [](void* context, std::size_t first, std::size_t last) {
                auto& call = *static_cast<std::remove_reference_t<Body>*>(context);
                for (std::size_t i = first; i != last; ++i) {
                    if (i != first) safe_point();
                    call(i);
                }
            },
            const_cast<void*>(static_cast<const void*>(std::addressof(body))));
    }

    /// The same for each item of a random-access range.
    template <typename Range, typename Body>
    void parallel_for_each(Range&& range, Body&& body) {
        auto first = std::begin(range);
        parallel_for(0, static_cast<std::size_t>(std::distance(first, std::end(range))), [&](std::size_t i) {
            body(first[static_cast<typename std::iterator_traits<decltype(first)>::difference_type>(i)]);
        });
    }

    /// Runs `function` attached on a thread of the executor, or on the one that waits for it in get(), or in the
    /// runtime's destructor, which waits for it. It is no part of an import that the caller is in the middle of:
    /// waiting in get() for a function that imports the same module may be for ever. [any-thread]
    template <typename Function>
    auto submit(Function function) {
        using T = std::invoke_result_t<Function&>;
        auto job = std::make_shared<detail::Job<T>>(std::packaged_task<T()>(std::move(function)));
        Task<T> result(job);
        enqueue(job);
        return result;
    }

    /// Replaces RuntimeOptions::on_stall, for who wants to show such reports together with others. The callback runs
    /// while the switch is under way, so it must neither attach nor ask for a switch. [any-thread]
    IL_API void set_on_stall(std::function<void(const StallReport&)> on_stall);

    /// The one that lives, or null. [any-thread]
    IL_API static Runtime* current() noexcept;

    /// A chunk [first, last) of a loop, without a safe point inside: for callers that place their own.
    using Chunk = void (*)(void* context, std::size_t first, std::size_t last);
    IL_API void run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Chunk chunk, void* context);

    /// The loader's own: gives an event to on_event, if there is one, and needs no memory for it: the caller has made
    /// it before anything happened that has to be told. [any-thread]
    IL_API void tell(RuntimeEvent event) noexcept;

private:
    IL_API void enqueue(std::shared_ptr<detail::AnyJob> job);
    Result<SwitchReport> stop_all_but_one(std::string_view reason, std::optional<std::chrono::milliseconds> deadline,
                                          bool* asked);
    bool leave_locked_mode(bool* asked);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace interlock
