// The runtime of a process and its switch between modes (runtime.hpp). The protocol, in order:
//   to locked    take the global lock; store the mode; heavy fence; wait until no thread is attached without the
//                lock; release it. From here on attaching means holding the lock.
//   to parallel  take the global lock, so that nobody runs under it; store the mode; release it, and send all who
//                waited for it away: they find the mode changed and attach without it.
//
// SPDX-License-Identifier: MIT
#include <interlock/runtime.hpp>

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <new>
#include <thread>

#include <interlock/escape.hpp>
#include <interlock/gate.hpp>

#include "copies.hpp"
#include "executor.hpp"
#include "process_state.hpp"
#include "test_points.hpp"

namespace interlock {

using detail::process;
using Clock = std::chrono::steady_clock;

namespace {

std::atomic<Runtime*> living{nullptr};

std::string thread_name(long os_thread) {
    std::ifstream comm("/proc/self/task/" + std::to_string(os_thread) + "/comm");
    std::string name;
    std::getline(comm, name);
    return name;
}

/// Whether a thread holds up a switch: to locked mode whoever is attached without the lock, else its holder.
bool holds_up(const detail::ThreadSlot& slot, Mode to = Mode::locked) noexcept {
    const std::uint32_t state = to == Mode::locked ? detail::state_free : detail::state_locked;
    return &slot != detail::this_thread && slot.state.load(std::memory_order_seq_cst) == state;
}

std::vector<Holder> current_holders(Mode to = Mode::locked) {
    std::vector<Holder> holders;
    detail::for_each_slot([&](detail::ThreadSlot& slot) {
        if (!holds_up(slot, to)) return;
        Holder holder;
        holder.os_thread = slot.os_thread.load(std::memory_order_relaxed);
        holder.thread_name = thread_name(holder.os_thread);
        if (const CallSite* site = slot.site.load(std::memory_order_acquire)) {
            holder.module = site->module;
            holder.function = site->function;
        }
        holders.push_back(std::move(holder));
    });
    return holders;
}

std::string describe(const std::vector<Holder>& holders) {
    std::string text;
    for (const Holder& holder : holders) {
        if (!text.empty()) text += ", ";
        text += "thread " + std::to_string(holder.os_thread);
        if (!holder.thread_name.empty()) text += " (" + escape(holder.thread_name, 40) + ")";
        text += holder.module.empty()
                    ? " in code of the host"
                    : " in function " + quoted(holder.function, 80) + " of module " + quoted(holder.module, 200);
    }
    return text.empty() ? "a thread that has just left" : text;
}

bool nobody_holds_up() {
    bool none = true;
    detail::for_each_slot([&](detail::ThreadSlot& slot) { none = none && !holds_up(slot); });
    return none;
}

constexpr std::string_view no_more_requests = "nobody asks for locked mode any more";

}  // namespace

std::string StallReport::text() const {
    return "switching to " + std::string(mode_name(to)) + " mode (" + escape(reason, 200) + ") has waited " +
           std::to_string(waited.count()) + " ms for " + describe(holders) +
           "; a loop that runs long should call il_safe_point(), and work that blocks belongs between "
           "IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS";
}

struct Runtime::State {
    explicit State(RuntimeOptions given) : options(std::move(given)), executor(options.threads) {}

    RuntimeOptions options;
    detail::Executor executor;
    // Written by the one that switches; read by stats().
    std::atomic<std::uint64_t> to_locked{0}, to_parallel{0}, failed{0}, stalls{0};
    std::atomic<std::int64_t> last_ns{0}, longest_ns{0};
    std::atomic<std::uint64_t> events{0};

    bool begin_switch(std::optional<Clock::time_point> end);
    void undo_switch() noexcept;
    bool wait_for_attached(std::string_view reason, Clock::time_point begin, std::optional<Clock::time_point> end);
    void report_stall(std::string_view reason, Mode to, Clock::duration waited);
    void tell(RuntimeEvent event) noexcept;
    /// When the next report is due.
    Clock::time_point next_report(std::chrono::milliseconds at_least) const {
        return detail::deadline_after(std::max(options.stall_report, at_least));
    }
};

namespace {

template <typename Function>
class AtExit {
public:
    explicit AtExit(Function function) : function_(std::move(function)) {}
    ~AtExit() {
        if (armed_) function_();
    }
    AtExit(const AtExit&) = delete;
    AtExit& operator=(const AtExit&) = delete;
    void disarm() noexcept { armed_ = false; }

private:
    Function function_;
    bool armed_ = true;
};

}  // namespace

// One switch at a time. The caller is detached.
bool Runtime::State::begin_switch(std::optional<Clock::time_point> end) {
    if (detail::switching_here)
        throw Failure({Errc::wrong_state,
                       "the mode was to be switched inside RuntimeOptions::on_stall, in the middle "
                       "of the switch that it reports"});
    return process().switching.begin(end);
}

// Back to parallel from the middle of a switch to locked: nobody has been let in under the lock yet.
void Runtime::State::undo_switch() noexcept {
    process().switching.take_back(nullptr);
    detail::mode_cell.word.store(detail::parallel_word(), std::memory_order_seq_cst);
    process().global_lock.unlock_and_dismiss();
    failed.fetch_add(1, std::memory_order_relaxed);
}

void Runtime::State::report_stall(std::string_view reason, Mode to, Clock::duration waited) {
    StallReport report;
    report.reason = reason;
    report.to = to;
    report.waited = std::chrono::duration_cast<std::chrono::milliseconds>(waited);
    report.holders = current_holders(to);
    if (report.holders.empty()) return;
    stalls.fetch_add(1, std::memory_order_relaxed);
    if (options.on_event) tell({.kind = EventKind::stalled, .text = report.text(), .duration = waited});
    if (options.on_stall)
        options.on_stall(report);
    else
        std::fprintf(stderr, "interlock: warning: %s\n", report.text().c_str());
}

bool Runtime::State::wait_for_attached(std::string_view reason, Clock::time_point begin,
                                       std::optional<Clock::time_point> end) {
    for (int round = 0; round < 200; ++round) {
        if (nobody_holds_up()) return true;
        std::this_thread::yield();
    }
    detail::SwitchPlace& place = process().switching;
    place.waiting.store(true, std::memory_order_seq_cst);
    AtExit no_longer([&] { place.waiting.store(false, std::memory_order_relaxed); });
    Clock::time_point report_at = next_report({});
    for (;;) {
        {
            std::unique_lock lock(place.mutex);
            if (nobody_holds_up()) return true;
            // The pause bounds the cost of a detach without a barrier (thread.hpp), whose wake-up can get lost.
            place.changed.wait_for(lock, std::chrono::milliseconds(1));
        }
        const Clock::time_point now = Clock::now();
        if (end && now >= *end) return nobody_holds_up();
        if (now >= report_at) {
            report_stall(reason, Mode::locked, now - begin);
            report_at = next_report(std::chrono::seconds(1));
        }
    }
}

namespace detail {

void end_of_runtime() noexcept {
    mode_cell.word.store(mode_none, std::memory_order_relaxed);
    tell_copies(false);
    switching_here = false;
    SwitchPlace& place = process().switching;
    std::lock_guard lock(place.mutex);
    place.under_way = SwitchPlace::Step::none;
    living.store(nullptr);  // last: from here on there can be another one
}

}  // namespace detail

Runtime::Runtime(RuntimeOptions options) {
    if (!is_free_threading_build() && options.gil == GilSetting::off)
        throw Failure({Errc::unsupported,
                       "Disabling the GIL is not supported by this build; rebuild with "
                       "-DINTERLOCK_DISABLE_GIL=ON"});
    Runtime* nobody = nullptr;
    if (!living.compare_exchange_strong(nobody, this))
        throw Failure({Errc::wrong_state,
                       "a second interlock::Runtime was created while one lives; a process has one "
                       "mode, so use Runtime::current() or destroy the first"});
    detail::install_fork_handlers();
    process().switching.set(detail::SwitchPlace::Step::no_runtime);  // until it is finished
    try {
        // First told, then looked: of two that begin together at least one sees the other.
        detail::tell_copies(true);
        std::optional<std::string> file;
        {
            // A fork waits for it: in its child the dynamic linker's list would stay locked.
            std::lock_guard guard(process().registration);
            file = detail::copy_in_use();
        }
        if (file)
            throw Failure(
                {Errc::wrong_state,
                 "another copy of libinterlock has a Runtime in this process: " + quoted(*file, 1000) +
                     "; the two would know nothing of each other's threads and modules, so link the program and "
                     "its plugins with one libinterlock.so, and none of them with the static library"});
        state_ = std::make_unique<State>(std::move(options));
    } catch (...) {
        detail::end_of_runtime();
        throw;
    }
    detail::watch_for_exit_anew();
    detail::prepare_fences();
    HandoffLock::set_switch_interval(state_->options.switch_interval);
    if (!is_free_threading_build()) state_->options.gil = GilSetting::on;
    const bool locked = state_->options.gil == GilSetting::on;
    {
        detail::SwitchPlace& place = process().switching;
        std::lock_guard lock(place.mutex);
        place.always_locked = locked;
        place.holds.store(0, std::memory_order_relaxed);
        place.under_way = detail::SwitchPlace::Step::none;
        detail::mode_cell.word.store(locked ? std::uint32_t{detail::mode_locked} : detail::parallel_word(),
                                     std::memory_order_seq_cst);
    }
}

Runtime::~Runtime() {
    // exit() in the middle of attached code: nobody comes back from there, and what other threads run goes on until the
    // process is gone. So all stays as it is.
    if (detail::exits_here() && detail::is_in_the_middle()) {
        static State* for_good;  // referred to, so that leak checkers know
        for_good = state_.release();
        static_cast<void>(for_good);
        return;
    }
    if (is_attached())
        detail::fatal("the Runtime is destroyed by a thread that is attached to it; let the Attached guard end first");
    const detail::NoCancellation guarded;
    state_->executor.wait();
    state_->begin_switch(std::nullopt);
    process().switching.set(detail::SwitchPlace::Step::no_runtime);
    process().global_lock.lock_urgently();
    detail::mode_cell.word.store(detail::mode_none, std::memory_order_seq_cst);
    detail::heavy_fence();
    for (bool done = false; !done;) {
        try {
            done = state_->wait_for_attached("the Runtime is destroyed", Clock::now(), std::nullopt);
        } catch (...) {
            detail::hold_back("RuntimeOptions::on_stall");  // a destructor cannot give up
        }
    }
    process().global_lock.unlock_and_dismiss();
    detail::end_of_runtime();
}

Runtime* Runtime::current() noexcept { return living.load(); }

Mode Runtime::mode() const noexcept {
    return detail::mode_cell.word.load(std::memory_order_acquire) == detail::mode_locked ? Mode::locked
                                                                                         : Mode::parallel;
}

const RuntimeOptions& Runtime::options() const noexcept { return state_->options; }

unsigned Runtime::threads() const noexcept { return state_->executor.threads(); }

std::string_view event_name(EventKind kind) noexcept {
    constexpr std::array<std::string_view, all_event_kinds.size()> names = {
        "mode_changed", "switch_failed", "stalled", "imported", "import_failed", "unloaded"};
    return names[static_cast<std::size_t>(kind)];
}

void RuntimeEvent::set_text(std::string_view words) noexcept {
    try {
        text = words;
    } catch (const std::bad_alloc&) {
        text.clear();
    }
}

void Runtime::State::tell(RuntimeEvent event) noexcept {
    event.at = std::chrono::system_clock::now();
    event.number = events.fetch_add(1, std::memory_order_relaxed) + 1;
    const detail::NoCancellation guarded;
    const Detached outside;  // the callback may do anything
    try {
        options.on_event(event);
    } catch (...) {
        // Whoever caused the event has done its work, and does not know of the callback.
        detail::hold_back("RuntimeOptions::on_event");
    }
}

void Runtime::tell(RuntimeEvent event) noexcept {
    if (!state_->options.on_event) return;
    event.mode = mode();
    state_->tell(std::move(event));
}

Result<SwitchReport> Runtime::switch_to_locked(std::string_view reason,
                                               std::optional<std::chrono::milliseconds> deadline, bool* asked) {
    // Before the switch: what failed after it would leave it asked for, with nobody to take that back.
    RuntimeEvent event{.kind = EventKind::mode_changed};
    if (state_->options.on_event) event.text = escape(reason, 200);
    Result<SwitchReport> report = stop_all_but_one(reason, deadline, asked);
    if (!report) {
        event.kind = EventKind::switch_failed;
        event.set_text(report.error().message);
        tell(std::move(event));
    } else if (report->switched) {
        event.duration = report->duration;
        tell(std::move(event));
    }
    return report;
}

Result<SwitchReport> Runtime::stop_all_but_one(std::string_view reason,
                                               std::optional<std::chrono::milliseconds> deadline, bool* asked) {
    if (state_->options.gil == GilSetting::off) return SwitchReport{};
    const Clock::time_point begin = Clock::now();
    const Clock::time_point given_up = detail::deadline_after(deadline);
    const auto end = given_up == Clock::time_point::max() ? std::nullopt : std::optional(given_up);
    // A thread that waits for the switcher is one that the switcher waits for, unless it is detached.
    Detached while_waiting;
    const detail::NoCancellation guarded;
    if (!state_->begin_switch(end)) {
        state_->failed.fetch_add(1, std::memory_order_relaxed);
        return Error{Errc::switch_timeout, "switching to locked mode (" + escape(reason, 200) + ") gave up after " +
                                               std::to_string(deadline->count()) +
                                               " ms, because another switch of the mode had not finished"};
    }
    bool* granted = nullptr;
    AtExit turn([&] { process().switching.end(granted); });
    if (process().switching.ask() != 0 || state_->options.gil == GilSetting::on) {
        granted = asked;
        return SwitchReport{};
    }

    HandoffLock& global_lock = process().global_lock;
    global_lock.lock_urgently();
    IL_POINT("switch.before_mode");
    detail::mode_cell.word.store(detail::mode_locked, std::memory_order_seq_cst);
    detail::heavy_fence();
    // Also when on_stall throws, or there is no memory for the report.
    AtExit undo([this] { state_->undo_switch(); });
    IL_POINT("switch.before_wait");
    if (!state_->wait_for_attached(reason, begin, end))
        return Error{Errc::switch_timeout,
                     "switching to locked mode (" + escape(reason, 200) + ") gave up after " +
                         std::to_string(deadline->count()) + " ms, held up by " + describe(current_holders()) +
                         "; the runtime is parallel as before. Add il_safe_point() to long loops, or allow more time"};
    undo.disarm();
    granted = asked;
    global_lock.unlock(HandoffLock::Release::eager);
    const std::chrono::nanoseconds took = Clock::now() - begin;
    state_->to_locked.fetch_add(1, std::memory_order_relaxed);
    state_->last_ns.store(took.count(), std::memory_order_relaxed);
    state_->longest_ns.store(std::max(state_->longest_ns.load(std::memory_order_relaxed), took.count()),
                             std::memory_order_relaxed);
    return SwitchReport{true, took};
}

bool Runtime::switch_to_parallel(bool* asked) {
    if (state_->options.gil == GilSetting::off) return true;
    Detached while_waiting;
    RuntimeEvent event{.kind = EventKind::mode_changed};
    if (state_->options.on_event) event.set_text(no_more_requests);
    if (!leave_locked_mode(asked)) return false;
    tell(std::move(event));
    return true;
}

bool Runtime::leave_locked_mode(bool* asked) {
    const detail::NoCancellation guarded;
    state_->begin_switch(std::nullopt);
    AtExit turn([] { process().switching.end(); });
    const unsigned holds = process().switching.holds.load(std::memory_order_relaxed);
    if (holds == 0)
        throw Failure({Errc::wrong_state,
                       "switch_to_parallel() was called more often than switch_to_locked() "
                       "succeeded"});
    IL_POINT("switch.before_taking_back");
    process().switching.take_back(asked);
    if (holds != 1 || state_->options.gil == GilSetting::on) return false;
    HandoffLock& global_lock = process().global_lock;
    const Clock::time_point begin = Clock::now();
    for (auto report_at = state_->next_report({}); !global_lock.lock_urgently_before(report_at);) {
        try {
            state_->report_stall(no_more_requests, Mode::parallel, Clock::now() - begin);
        } catch (...) {
            // The request is taken back already, so there is nothing that could fail.
            detail::hold_back("RuntimeOptions::on_stall");
        }
        report_at = state_->next_report(std::chrono::seconds(1));
    }
    detail::mode_cell.word.store(detail::parallel_word(), std::memory_order_seq_cst);
    global_lock.unlock_and_dismiss();
    state_->to_parallel.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void Runtime::set_on_stall(std::function<void(const StallReport&)> on_stall) {
    Detached while_waiting;
    state_->begin_switch(std::nullopt);
    {
        std::lock_guard lock(process().switching.mutex);
        state_->options.on_stall.swap(on_stall);
    }
    process().switching.end();
}

RuntimeStats Runtime::stats() const {
    RuntimeStats stats;
    stats.mode = mode();
    stats.switches_to_locked = state_->to_locked.load(std::memory_order_relaxed);
    stats.switches_to_parallel = state_->to_parallel.load(std::memory_order_relaxed);
    stats.failed_switches = state_->failed.load(std::memory_order_relaxed);
    stats.stalls_reported = state_->stalls.load(std::memory_order_relaxed);
    stats.last_switch = std::chrono::nanoseconds(state_->last_ns.load(std::memory_order_relaxed));
    stats.longest_switch = std::chrono::nanoseconds(state_->longest_ns.load(std::memory_order_relaxed));
    stats.holds = process().switching.holds.load(std::memory_order_relaxed);
    stats.threads = threads();
    stats.exited_attached = process().exited_attached.load(std::memory_order_relaxed);
    stats.membarrier = process().membarrier.load(std::memory_order_relaxed);
    detail::for_each_slot([&](detail::ThreadSlot& slot) {
        if (!slot.in_use.load(std::memory_order_relaxed)) return;
        ++stats.registered_threads;
        if (slot.state.load(std::memory_order_relaxed) != detail::state_detached) ++stats.attached_threads;
    });
    return stats;
}

void Runtime::run_chunks(std::size_t begin, std::size_t end, std::size_t grain, Chunk chunk, void* context) {
    detail::watch_for_exit();
    state_->executor.run_chunks(begin, end, grain, chunk, context);
}

void Runtime::enqueue(std::shared_ptr<detail::AnyJob> job) { state_->executor.enqueue(std::move(job)); }

}  // namespace interlock
