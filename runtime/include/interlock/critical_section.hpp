// interlock/critical_section.hpp: per-object locks that cannot deadlock with the switch or with each other: they are
// given up while the thread is detached or waits for another lock. Semantics of CPython's critical sections (PEP 703):
// only the innermost section of a thread is sure to be held.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include <interlock/export.hpp>

namespace interlock {

/// A lock for one object; 4 bytes, zero when free. Only through CriticalSection. Layout equals il_mutex in module.h.
class Mutex {
public:
    constexpr Mutex() noexcept = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    IL_API bool try_lock() noexcept;
    IL_API void lock() noexcept;  ///< blocks; the caller must not be attached
    IL_API void unlock() noexcept;

private:
    std::atomic<std::uint32_t> word_{0};  // 0 free, 1 held, 2 held and somebody waits
};
static_assert(sizeof(Mutex) == 4);

namespace detail {
/// A section on the stack of its thread; layout fits into il_critical_section of module.h.
struct CriticalFrame {
    Mutex* first;   ///< null: the section locks nothing, and is not on the stack of sections
    Mutex* second;  ///< null: one lock only
    CriticalFrame* outer;
    bool held;  ///< false while suspended
};
static_assert(sizeof(CriticalFrame) <= 6 * sizeof(std::uintptr_t));

IL_API void critical_begin(CriticalFrame& frame, Mutex* first, Mutex* second);
IL_API void critical_end(CriticalFrame& frame);
}  // namespace detail

/// Locks one object, or two, for a scope; what the section directly around it has locked already stays locked, and is
/// not locked again. The thread must be attached, otherwise the process is aborted with a message.
/// [attached]
class [[nodiscard]] CriticalSection {
public:
    explicit CriticalSection(Mutex& mutex) { detail::critical_begin(frame_, &mutex, nullptr); }
    CriticalSection(Mutex& first, Mutex& second) { detail::critical_begin(frame_, &first, &second); }
    ~CriticalSection() { detail::critical_end(frame_); }
    CriticalSection(const CriticalSection&) = delete;
    CriticalSection& operator=(const CriticalSection&) = delete;

private:
    detail::CriticalFrame frame_;
};

}  // namespace interlock
