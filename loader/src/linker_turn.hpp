// linker_turn.hpp: one thread at a time uses the dynamic linker, and a fork waits for it: the child of a fork in the
// middle of such a use could not load or unload anything any more.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace interlock::detail {

/// Around every use of the dynamic linker that changes its lists or walks through them (dl_iterate_phdr), taken before
/// the thread attaches. Waiting for it is no cancellation point.
class LinkerTurn {
public:
    LinkerTurn();
    ~LinkerTurn();
    LinkerTurn(const LinkerTurn&) = delete;
    LinkerTurn& operator=(const LinkerTurn&) = delete;

    /// Whether it is the calling thread's: it runs a constructor or destructor of a library. Such a thread must not
    /// wait for one that may be waiting for its own turn.
    static bool is_here() noexcept;

    /// Until one of the others is called nobody begins to use the linker. Waits for the thread that uses it now; nobody
    /// else gets a turn before. But not for the calling thread, and not longer than `patience`: constructors may take
    /// their time, or wait for the thread that forks.
    static void hold_for_fork();
    static void release_in_parent();
    /// Whether another thread had the turn: then what is only used in it may be half changed.
    static bool release_in_child();
    static inline std::chrono::milliseconds patience{10'000};

    /// Why the linker cannot be used in this process, the child of a fork that has not waited until another thread was
    /// done with it; or empty.
    static const std::string& lost() noexcept;

private:
    bool nested_;  // from a constructor or destructor of a library
};

/// Within a turn, and attached if code of a library may run: here the linker is in use. Who only waits to attach does
/// not keep a fork's child from it.
class LinkerUse {
public:
    /// The module that it is for; must outlive this.
    explicit LinkerUse(std::string_view module);
    ~LinkerUse();
    LinkerUse(const LinkerUse&) = delete;
    LinkerUse& operator=(const LinkerUse&) = delete;

private:
    std::string_view outer_;
    bool nested_;
};

}  // namespace interlock::detail
