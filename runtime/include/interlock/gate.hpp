// interlock/gate.hpp: what the loader builds its gates from: each thread's tally for a module (who is inside, how
// often, how long), and taking a module's lock without ever blocking while attached. Not for other users.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/handoff_lock.hpp>
#include <interlock/thread.hpp>

namespace interlock {

/// How a call was let in.
enum class GateKind : std::uint8_t { none, module_lock, global_lock };
inline constexpr std::size_t gate_kind_count = 3;
IL_API const char* gate_name(GateKind kind) noexcept;  ///< "none", "module_lock", "global_lock"

namespace detail {

/// Of one thread for one module; written by that thread only, read by all.
struct alignas(64) ModuleTally {
    std::atomic<std::uint32_t> inside{0};  ///< calls of this thread that are inside, nested ones counted
    std::atomic<std::uint32_t> lent{0};    ///< of these: no calls, but uses of what belongs to the module
    std::array<std::atomic<std::uint64_t>, gate_kind_count> calls{};
    std::atomic<std::uint64_t> ns_inside{0};   ///< of some calls, with their weight (docs/design.md, "Gates")
    std::atomic<std::uint64_t> ns_waiting{0};  ///< for the module's lock or the global lock
};

inline constexpr std::size_t tally_chunk_size = 64, tally_chunk_count = 256;
inline constexpr std::size_t max_modules = tally_chunk_size * tally_chunk_count;

IL_API ModuleTally* make_tally(ThreadSlot* slot, std::size_t module_index);

/// The tally of `slot` for a module; made on first use.
inline ModuleTally* tally_of(ThreadSlot* slot, std::size_t module_index) {
    if (slot->tallies != nullptr) [[likely]] {
        ModuleTally* chunk = slot->tallies[module_index / tally_chunk_size].load(std::memory_order_relaxed);
        if (chunk != nullptr) [[likely]]
            return chunk + module_index % tally_chunk_size;
    }
    return make_tally(slot, module_index);
}

/// For single-writer counters: an increment without a bus lock.
template <typename T>
inline void bump(std::atomic<T>& counter, T by) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

/// Sums of all threads for a module. [any-thread]
struct TallySum {
    std::uint64_t inside = 0;
    std::array<std::uint64_t, gate_kind_count> calls{};
    std::uint64_t ns_inside = 0, ns_waiting = 0;
};
IL_API TallySum sum_tallies(std::size_t module_index) noexcept;

/// What the threads run that use what belongs to a module without a call into it; without names: code of the host.
IL_API std::vector<CallSite> borrowers(std::size_t module_index);

/// Makes every CPU that runs a thread of this process pass a full barrier; the heavy side of announce().
IL_API void heavy_fence() noexcept;

/// Takes the lock for an attached thread that holds no module lock. Detaches while it waits. [attached]
IL_API void take_module_lock(ThreadSlot* slot, HandoffLock& lock);
/// Gives it back. [attached]
IL_API void drop_module_lock(ThreadSlot* slot) noexcept;

/// For a scope, pthread_cancel() waits: for whoever waits for something that others give to it, or take back from it.
class NoCancellation {
public:
    IL_API NoCancellation() noexcept;
    IL_API ~NoCancellation();
    NoCancellation(const NoCancellation&) = delete;
    NoCancellation& operator=(const NoCancellation&) = delete;

private:
    int before_;
};

/// In the handler for whatever a callback of the host has thrown, where nothing may pass. The unwinding by which
/// pthread_exit() ends a thread cannot be held back: then the process ends, with a message that names the callback.
IL_API void hold_back(std::string_view callback) noexcept;

/// Runs code, so that a thread that waits in its own use of oneTBB inside of it is given no task from outside of it.
IL_API void isolate(void (*code)(void* context), void* context);
template <typename Code>
void isolate(Code&& code) {
    isolate([](void* context) { (*static_cast<std::remove_reference_t<Code>*>(context))(); },
            const_cast<void*>(static_cast<const void*>(std::addressof(code))));
}

/// When to give up what may take `timeout`. Further off than a year is never: the sum would overflow somewhere behind
/// that.
inline std::chrono::steady_clock::time_point deadline_after(std::optional<std::chrono::milliseconds> timeout) noexcept {
    using Clock = std::chrono::steady_clock;
    if (!timeout || *timeout >= std::chrono::years(1)) return Clock::time_point::max();
    return Clock::now() + std::max(*timeout, std::chrono::milliseconds(0));
}

/// Attaches a thread that is not attached, or gives up at `end`, or when no runtime lives: false, and it is detached.
/// detach() is its counterpart.
IL_API bool attach_before(ThreadSlot* slot, std::chrono::steady_clock::time_point end);

/// Waits, detached, until no thread is inside the module but for `own` calls of this one. The caller has closed the
/// gate and called heavy_fence() before. False if `timeout_ms` (0: for ever) passed.
IL_API bool wait_until_outside(std::size_t module_index, std::uint64_t own, std::uint64_t timeout_ms);

/// Whether the calling thread has called exit(), as far as watch_for_exit() has been called since the object that asks
/// was made: what is registered with atexit() runs in the opposite order.
IL_API bool exits_here() noexcept;
IL_API void watch_for_exit() noexcept;
/// For constructors of what asks exits_here() in its destructor: the next watch_for_exit() counts again.
IL_API void watch_for_exit_anew() noexcept;
/// Whether the thread is attached, or detached inside code of a module.
inline bool is_in_the_middle() noexcept {
    return this_thread != nullptr &&
           (this_thread->depth != 0 || this_thread->site.load(std::memory_order_relaxed) != nullptr);
}

/// Hooks around fork(2) for the loader; at most one set, null to clear.
struct ForkHooks {
    void (*before)(void* context);
    void (*parent)(void* context);
    void (*child)(void* context);
    void* context;
};
IL_API void set_fork_hooks(const ForkHooks* hooks) noexcept;

}  // namespace detail
}  // namespace interlock
