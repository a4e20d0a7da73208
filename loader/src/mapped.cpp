// Libraries that stay mapped: because their module says so, because nothing is known of it, or because the dynamic
// linker keeps them (unique symbols of C++, -z nodelete, another module in the same file). It finds a mapped library by
// its path, and would answer with the old one when a new file lies there. Also: one user of the linker at a time.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include <chrono>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include "lingering.hpp"
#include "module_record.hpp"

namespace interlock::detail {

namespace {

using Kept = std::map<std::filesystem::path, FileIdentity>;

Kept& kept() {
    static auto* libraries = new Kept;  // threads may outlive static destructors
    return *libraries;
}

bool is_mapped(const std::filesystem::path& path) noexcept {
    void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle != nullptr) dlclose(handle);
    return handle != nullptr;
}

// Threads or callbacks of such a library may outlive its teardown; of a legacy one nothing is known.
bool must_stay(const ModuleRecord& record) noexcept {
    return record.legacy || (record.def != nullptr && (record.def->flags & IL_KEEP_MAPPED) != 0);
}

std::mutex& linker_mutex() noexcept {
    static auto* mutex = new std::mutex;
    return *mutex;
}
thread_local bool in_linker = false;

}  // namespace

LinkerTurn::LinkerTurn() : nested_(in_linker) {
    if (!nested_) linker_mutex().lock();
    in_linker = true;
}

LinkerTurn::~LinkerTurn() {
    in_linker = nested_;
    if (!nested_) linker_mutex().unlock();
}

bool LinkerTurn::hold_for_fork() {
    if (in_linker) return false;  // a constructor that forks
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::seconds patience(1);
    for (const Clock::time_point begin = Clock::now(); !linker_mutex().try_lock();) {
        if (Clock::now() - begin > patience) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
}

void LinkerTurn::release_after_fork() { linker_mutex().unlock(); }

void LinkerTurn::forget_other_threads() {
    if (!in_linker) new (&linker_mutex()) std::mutex;
}

bool unmap(ModuleRecord& record) {
    const LinkerTurn turn;
    bool stays = must_stay(record);
    if (!stays && record.library.is_loaded()) {
        record.lingering = what_may_still_run(record.library.native());
        stays = !record.lingering.empty();
    }
    if (stays)
        keep_for_good(std::move(record.library));
    else
        record.library.unload();
    const bool mapped = stays || is_mapped(record.file.path);
    std::lock_guard guard(process_mutex());
    if (mapped)
        kept().insert_or_assign(record.file.path, record.file.identity);
    else
        kept().erase(record.file.path);
    return mapped;
}

bool earlier_version_is_mapped(const ModuleFile& file) {
    {
        std::lock_guard guard(process_mutex());
        const auto entry = kept().find(file.path);
        if (entry == kept().end() || entry->second == file.identity) return false;
    }
    const LinkerTurn turn;
    return is_mapped(file.path);
}

}  // namespace interlock::detail
