// What each thread knows to be loaded: importing that once more takes no lock that others take, and writes nothing that
// others write.
//
// The invariant (docs/design.md, "Importing what is loaded"): what a thread knows is in LoaderState::loaded. Who takes
// a module out of that list makes all threads forget it first.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace interlock::detail {

struct ModuleRecord;

/// Of one thread. Never freed, as the thread's slot is not: the next thread that gets the slot goes on with it.
class alignas(64) KnownModules {
public:
    /// For an importer that is no module.
    static constexpr std::uint64_t host = 0;

    /// A module that `importer` (ModuleRecord::serial) has imported before on this thread; null if it has to be looked
    /// for. The pointer shares no count with those of other threads. [any-thread]
    static std::shared_ptr<ModuleRecord> find(std::uint64_t importer, std::string_view name) noexcept;
    /// For the next find() on this thread. Under LoaderState::mutex, and the module is in LoaderState::loaded, and if
    /// `importer` is a module, in what that one uses. Without memory nothing happens.
    static void remember(std::uint64_t importer, const std::shared_ptr<ModuleRecord>& record) noexcept;
    /// From now on no thread finds the module. Under LoaderState::mutex.
    static void forget(const ModuleRecord& record) noexcept;

    /// Around a fork: no thread is inside find(). Under LoaderState::mutex.
    static void hold_for_fork() noexcept;
    static void release_after_fork() noexcept;

private:
    struct Entry {
        std::uint64_t importer = host;
        std::shared_ptr<ModuleRecord> record;
    };
    static KnownModules* own() noexcept;
    static KnownModules& make_own();
    template <typename Visit>
    static void each(Visit visit) noexcept;
    Entry& entry_of(std::uint64_t importer, std::string_view name) noexcept;

    std::mutex mutex_;  // which others take only to make this thread forget, and for a fork
    std::array<Entry, 64> entries_;
    KnownModules* next_ = nullptr;  // of all threads; under LoaderState::mutex
};

}  // namespace interlock::detail
