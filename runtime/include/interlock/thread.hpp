// interlock/thread.hpp: attach, detach and the safe point: what every call into a module pays, so all of it is inline.
//
// The invariant (docs/design.md, "The switch"): while the mode is `locked` and no switch is under way, at most one
// thread is attached, the holder of the global lock. A thread announces itself with a plain store to its own slot and
// then reads the mode; the switcher stores the mode, makes every CPU pass a barrier (membarrier(2)), and then reads
// the slots. One of the two must see the other. Where membarrier is missing the mode is `parallel_fenced`, which sends
// every attach through the slow path and its full fence.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <interlock/export.hpp>

namespace interlock {

/// Of a runtime: `parallel`, every attached thread runs; `locked`, only the holder of the global lock does.
enum class Mode : std::uint8_t { parallel, locked };

/// "parallel", "locked".
IL_API const char* mode_name(Mode mode) noexcept;

class HandoffLock;

/// What a thread is running, for reports. Lives until the process ends, so that others can read it at any time.
struct CallSite {
    std::string module, function;
};

namespace detail {

struct CriticalFrame;
struct ModuleTally;

enum ThreadState : std::uint32_t {
    state_detached = 0,
    state_free = 1,    ///< attached in parallel mode
    state_locked = 2,  ///< attached and holding the global lock
};

enum ModeWord : std::uint32_t {
    mode_none = 0,             ///< no runtime lives
    mode_parallel = 1,         ///< the only value that the fast paths know
    mode_parallel_fenced = 2,  ///< parallel, without membarrier
    mode_locked = 3,
};

/// One thread. Never freed, used again for a later thread. Only the owner writes, except where noted.
struct alignas(128) ThreadSlot {
    std::atomic<std::uint32_t> state{state_detached};
    std::uint32_t depth = 0;                       ///< nesting of attach
    std::atomic<const CallSite*> site{nullptr};    ///< innermost module function, or null
    HandoffLock* module_lock = nullptr;            ///< held by the innermost gate, or null
    CriticalFrame* critical = nullptr;             ///< innermost critical section
    std::atomic<ModuleTally*>* tallies = nullptr;  ///< table of chunks, see gate.hpp
    // The loader's own: the innermost invocation and the innermost import on this thread; while it runs a chunk of a
    // loop that another thread has begun, those that this one is in the middle of.
    void* loader_frame = nullptr;
    void* loader_imports = nullptr;
    void* loader_known = nullptr;  ///< modules it has imported before; kept for the next thread that gets the slot
    std::uint64_t ns_waited = 0;   ///< for module locks and the global lock, ever
    // Not on the hot path.
    alignas(128) std::atomic<ThreadSlot*> next{nullptr};  ///< all slots ever made
    std::atomic<bool> in_use{false};
    std::atomic<long> os_thread{0};  ///< gettid()
};

/// The mode; alone on its cache line as every attach reads it.
struct alignas(128) ModeCell {
    std::atomic<std::uint32_t> word{mode_none};
};
extern IL_API ModeCell mode_cell;

extern IL_API __thread ThreadSlot* this_thread __attribute__((tls_model("initial-exec")));

IL_API ThreadSlot* register_thread();
IL_API void attach_slow(ThreadSlot* slot);
IL_API void detach_slow(ThreadSlot* slot) noexcept;
IL_API void safe_point_slow(ThreadSlot* slot);

inline ThreadSlot* own_slot() {
    ThreadSlot* slot = this_thread;
    if (slot == nullptr) [[unlikely]]
        slot = register_thread();
    return slot;
}

/// True when the announcement in slot->state stands; otherwise attach_slow() must decide.
inline bool announce(ThreadSlot* slot) noexcept {
    slot->state.store(state_free, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // light side of membarrier
    return mode_cell.word.load(std::memory_order_acquire) == mode_parallel;
}

inline void attach(ThreadSlot* slot) {
    if (slot->depth++ != 0) return;
    if (!announce(slot)) [[unlikely]]
        attach_slow(slot);
}

inline void detach(ThreadSlot* slot) noexcept {
    if (--slot->depth != 0) return;
    if (slot->state.load(std::memory_order_relaxed) == state_free) [[likely]] {
        slot->state.store(state_detached, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (mode_cell.word.load(std::memory_order_relaxed) == mode_parallel) [[likely]]
            return;
    }
    detach_slow(slot);
}

/// What a thread gives up while it is detached inside attached code, and takes again.
struct Suspended {
    ThreadSlot* slot = nullptr;  ///< null: there was nothing to give up
    std::uint32_t depth = 0;
    HandoffLock* module_lock = nullptr;
    CriticalFrame* critical = nullptr;
};
IL_API void suspend(Suspended& saved) noexcept;
IL_API void resume(Suspended& saved) noexcept;

}  // namespace detail

/// True if the calling thread is attached. [any-thread]
inline bool is_attached() noexcept { return detail::this_thread != nullptr && detail::this_thread->depth != 0; }

/// Attaches the calling thread for a scope; nests. In locked mode the constructor waits for the global lock. Throws
/// Failure(wrong_state) when no Runtime lives. Here as everywhere in this library, waiting for a lock, for another
/// thread's import or for a switch is no cancellation point: pthread_cancel() acts when the wait is over. [any-thread]
class [[nodiscard]] Attached {
public:
    Attached() : slot_(detail::own_slot()) { detail::attach(slot_); }
    ~Attached() { detail::detach(slot_); }
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;

private:
    detail::ThreadSlot* slot_;
};

/// Detaches the calling thread for a scope, however deeply it is attached, for work that blocks: gives up the global
/// lock, the module's lock and all critical sections, and takes them again at the end. Nothing happens if the thread is
/// not attached. [any-thread]
class [[nodiscard]] Detached {
public:
    Detached() noexcept { detail::suspend(saved_); }
    ~Detached() { detail::resume(saved_); }
    Detached(const Detached&) = delete;
    Detached& operator=(const Detached&) = delete;

private:
    detail::Suspended saved_;
};

/// Where an attached thread lets others have their way: a switch of the mode, or the global lock after the switch
/// interval. Call it in every loop that runs longer than a millisecond; costs one load in parallel mode. Nothing
/// happens on a thread that is not attached. [any-thread]
inline void safe_point() {
    if (detail::mode_cell.word.load(std::memory_order_acquire) == detail::mode_parallel) [[likely]]
        return;
    if (detail::this_thread != nullptr) detail::safe_point_slow(detail::this_thread);
}

}  // namespace interlock
