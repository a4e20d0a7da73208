// Import locks: the same module is imported once at a time, by whoever comes first; the others wait, unless waiting
// would never end. What somebody waits for is an ImportLock; what a thread is in the middle of is its chain of frames.
//
// SPDX-License-Identifier: MIT
#include <new>

#include <interlock/escape.hpp>

#include "known.hpp"
#include "linker_turn.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace {

bool in_chain(const ImportFrame* chain, const ImportLock* import_lock) noexcept {
    for (; chain != nullptr; chain = chain->outer)
        if (chain->import_lock == import_lock) return true;
    return false;
}

// Others may wait until this thread leaves the module that it runs, so it must not wait for them.
bool runs_code_of_a_module() noexcept { return own_slot()->loader_frame != nullptr; }

Error circular_error(const ImportLock& target) {
    if (target.unloading)
        return {Errc::import_deadlock,
                "module " + quoted(target.name) + " is being unloaded, which waits for this import"};
    return {Errc::import_deadlock, "the import of " + quoted(target.name) +
                                       " waits, by way of other imports, for itself, and the module does not exist "
                                       "yet; import it later, not while it is loaded"};
}

}  // namespace

ImportFrame* own_imports() noexcept { return static_cast<ImportFrame*>(own_slot()->loader_imports); }

bool LoaderState::would_deadlock(const ImportFrame* chain, const ImportLock* target) const {
    std::vector<const ImportLock*> open{target};
    std::set<const ImportLock*> seen{target};
    while (!open.empty()) {
        const ImportLock* import_lock = open.back();
        open.pop_back();
        if (in_chain(chain, import_lock)) return true;
        for (const Waiter& waiter : waiters)
            if (in_chain(waiter.chain, import_lock) && seen.insert(waiter.target).second) open.push_back(waiter.target);
    }
    return false;
}

bool LoaderState::wait_for(std::unique_lock<std::mutex>& guard, ImportFrame* chain,
                           const std::shared_ptr<ImportLock>& import_lock, bool error_is_enough,
                           std::chrono::steady_clock::time_point end) {
    const bool inside = runs_code_of_a_module();
    // An unloading waits for those inside, an import that is undone for those that have come in by a circular import:
    // one gives up, of the other the error is known.
    if (import_lock->unloading && !import_lock->torn_down && inside) import_lock->wanted = true;
    const NoCancellation guarded;  // others look at the waiter and, through it, at frames of this thread
    const auto waiter = waiters.insert(waiters.end(), {chain, import_lock.get()});
    const auto over = [&] { return import_lock->done || (inside && error_is_enough && import_lock->error); };
    if (end == std::chrono::steady_clock::time_point::max())
        import_lock_released.wait(guard, over);
    else
        import_lock_released.wait_until(guard, end, over);
    waiters.erase(waiter);
    return over();
}

void LoaderState::release_import_lock(const std::shared_ptr<ImportLock>& import_lock) noexcept {
    {
        std::lock_guard guard(mutex);
        import_lock->done = true;
        const auto entry = import_locks.find(import_lock->name);
        if (entry != import_locks.end() && entry->second == import_lock) import_locks.erase(entry);
    }
    import_lock_released.notify_all();
}

bool LoaderState::is_alive(const std::shared_ptr<ModuleRecord>& record) const {
    if (const auto entry = loaded.find(record->name); entry != loaded.end()) return entry->second == record;
    const auto entry = import_locks.find(record->name);
    return entry != import_locks.end() && !entry->second->unloading && entry->second->record == record;
}

Result<std::shared_ptr<ModuleRecord>> LoaderState::import(std::string_view name, const ImportOptions& import_options,
                                                          std::vector<std::string> imported_by) {
    if (Outcome valid = check_name(name); !valid) return std::move(valid).error();
    {
        std::lock_guard guard(mutex);
        if (const auto entry = loaded.find(name); entry != loaded.end()) {
            KnownModules::remember(KnownModules::host, entry->second);
            return entry->second;
        }
    }
    watch_for_exit();
    // From here on the thread may wait, for another import or for the switch.
    Detached outside;
    ImportFrame* const chain = own_imports();
    std::shared_ptr<ImportLock> import_lock;
    while (!import_lock) {
        std::shared_ptr<ModuleRecord> package;
        const std::string_view parent = parent_of(name);
        if (!parent.empty() && !is_namespace(parent)) {
            std::vector<std::string> through{"import of " + quoted(name)};
            through.insert(through.end(), imported_by.begin(), imported_by.end());
            ImportOptions package_options = import_options;
            package_options.threading = std::nullopt;
            auto imported = import(parent, package_options, std::move(through));
            if (!imported) return imported;
            package = std::move(*imported);
        }
        std::unique_lock guard(mutex);
        if (closing)
            return Error{Errc::wrong_state,
                         "module " + quoted(name) + " is not imported, as the Loader is being destroyed"};
        if (const auto entry = loaded.find(name); entry != loaded.end()) return entry->second;
        if (const auto under_way = import_locks.find(name); under_way != import_locks.end()) {
            const std::shared_ptr<ImportLock> other = under_way->second;
            if (!other->unloading && other->partial && is_inside(*other->record)) return other->record;
            if (would_deadlock(chain, other.get())) {
                if (!other->unloading && other->partial) return other->record;
                return circular_error(*other);
            }
            if (LinkerTurn::is_here())
                return Error{Errc::import_deadlock,
                             "module " + quoted(name) + " is being " + (other->unloading ? "unloaded" : "imported") +
                                 " by another thread, which may wait for the dynamic linker, so that a constructor "
                                 "or destructor of a library must not wait for it; import it in exec"};
            wait_for(guard, chain, other, true);
            if (other->unloading) continue;
            if (other->error) return *other->error;
            if (!other->result) throw std::bad_alloc();  // there was no memory for an error either
            return other->result;
        }
        if (package && !is_alive(package)) continue;
        import_lock = std::make_shared<ImportLock>();
        import_lock->name = name;
        import_lock->package = std::move(package);
        import_lock->event.module = name;
        import_locks.emplace(import_lock->name, import_lock);
    }
    std::optional<Imported> imported;
    {
        const ReleaseImportLock finish(*this, import_lock);
        // Not even a free module: what ran beneath its exec by chance would get it unfinished, as if it were part of
        // it.
        isolate([&] { imported.emplace(run_import(import_lock, import_options, std::move(imported_by))); });
    }
    if (!imported->result) {
        import_lock->event.kind = EventKind::import_failed;
        import_lock->event.set_text(imported->result.error().message);
    }
    runtime.tell(std::move(import_lock->event));
    for (const Warning& warning : imported->warnings) issue(warning);
    return std::move(imported->result);
}

Result<std::shared_ptr<ModuleRecord>> LoaderState::import_for(ModuleRecord& importer, const CallSite& site,
                                                              std::string_view name) {
    if (auto known = KnownModules::find(importer.serial, name)) return known;
    std::vector<std::string> chain{importer.name + ", " + escape(site.function, 200)};
    chain.insert(chain.end(), importer.imported_by.begin(), importer.imported_by.end());
    for (;;) {
        auto imported = import(name, {}, chain);
        if (!imported || imported->get() == &importer) return imported;
        std::lock_guard guard(mutex);
        // Not if somebody has unloaded it in between: the importer relies on it.
        if (!is_alive(*imported)) continue;
        importer.uses.insert(*imported);
        if ((*imported)->loaded) KnownModules::remember(importer.serial, *imported);
        return imported;
    }
}

}  // namespace interlock::detail
