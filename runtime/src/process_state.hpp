// What all parts of the runtime share and exists once in a process: the global lock, the list of threads, the place
// where a switcher waits. Survives a Runtime, so that threads that outlive one find valid memory.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include <interlock/handoff_lock.hpp>
#include <interlock/thread.hpp>

namespace interlock::detail {

/// One switch at a time; and the condition on which a switcher waits for attached threads. A fork holds the mutex, so
/// what changes under it alone is never half changed in the child.
struct SwitchPlace {
    enum class Step : std::uint8_t { none, to_locked, other, no_runtime };

    std::mutex mutex;  // a leaf, but for what a fork takes with it in hand
    std::condition_variable changed;
    Step under_way = Step::none;     // under mutex
    std::atomic<unsigned> holds{0};  // requests for locked mode, with that of a switch under way. Changes under mutex
    bool always_locked = false;      // GilSetting::on. Under mutex
    std::atomic<bool> waiting{false};

    /// Waits for its turn, until `end` at most: false. The caller is detached.
    bool begin(std::optional<std::chrono::steady_clock::time_point> end);
    /// Adds a request for locked mode; how many there were. Until end(), the child of a fork takes it back.
    unsigned ask();
    /// Takes one back; `asked` is false from then on.
    void take_back(bool* asked) noexcept;
    /// `asked` is true from then on: the request belongs to whoever made it.
    void end(bool* asked = nullptr) noexcept;
    void set(Step step) noexcept;
};

struct ProcessState {
    HandoffLock global_lock;
    std::atomic<ThreadSlot*> slots{nullptr};
    std::mutex registration;
    SwitchPlace switching;
    std::atomic<std::uint64_t> exited_attached{0};
    std::atomic<bool> membarrier{false};
    std::atomic<bool> forked_child{false};  // oneTBB's threads are gone
};

ProcessState& process() noexcept;

/// True while the calling thread is the one that switches: on_stall runs on it, in the middle of the switch.
extern constinit thread_local bool switching_here;

/// The word that means "parallel" on this machine.
std::uint32_t parallel_word() noexcept;

/// The Runtime that was being made or destroyed (Step::no_runtime) is not there. Also in the child of a fork, where the
/// thread that did it is gone.
void end_of_runtime() noexcept;

/// Registers with membarrier(2) once; decides between the two parallel words.
void prepare_fences() noexcept;

/// Tells a waiting switcher that a thread has left or reached a safe point.
void wake_switcher() noexcept;

/// Counts for how long the thread has waited for a lock.
class TimedWait {
public:
    explicit TimedWait(ThreadSlot* slot) noexcept : slot_(slot) {}
    ~TimedWait() { slot_->ns_waited += static_cast<std::uint64_t>((Clock::now() - begin_).count()); }
    TimedWait(const TimedWait&) = delete;
    TimedWait& operator=(const TimedWait&) = delete;

private:
    using Clock = std::chrono::steady_clock;
    ThreadSlot* slot_;
    Clock::time_point begin_ = Clock::now();
};

/// Announces the thread as attached, by whatever way the mode asks for. False when no runtime lives.
bool enter(ThreadSlot* slot);
/// Ends being attached; `how` is for the global lock, if the thread holds it.
void leave(ThreadSlot* slot, HandoffLock::Release how) noexcept;

/// Gives up the critical sections of an attached thread, outermost last.
void release_critical_sections(CriticalFrame* innermost) noexcept;
/// Takes the innermost section again. [attached]
void retake_critical_section(ThreadSlot* slot, CriticalFrame& frame);
/// After a fork, for a thread that no longer exists: everything it held or was about to hold is free.
void forget_critical_sections(ThreadSlot& slot) noexcept;

/// Installs the handlers for fork(2), once.
void install_fork_handlers() noexcept;

/// Prints to stderr and aborts: for states from which there is no way on.
[[noreturn]] void fatal(std::string_view message) noexcept;

template <typename Visit>
void for_each_slot(Visit visit) {
    for (ThreadSlot* slot = process().slots.load(std::memory_order_seq_cst); slot != nullptr;
         slot = slot->next.load(std::memory_order_relaxed))
        visit(*slot);
}

}  // namespace interlock::detail
