// What each thread knows to be loaded (known.hpp).
//
// SPDX-License-Identifier: MIT
#include "known.hpp"

#include <functional>
#include <new>
#include <utility>

#include "module_record.hpp"

namespace interlock::detail {

namespace {

KnownModules* first_of_all = nullptr;  // under LoaderState::mutex, of the one loader that lives

/// What a thread's own pointers to a module share, on a cache line of its own.
struct alignas(64) Share {
    std::shared_ptr<ModuleRecord> record;
    void operator()(ModuleRecord*) const noexcept {}
};

}  // namespace

KnownModules* KnownModules::own() noexcept {
    return this_thread == nullptr ? nullptr : static_cast<KnownModules*>(this_thread->loader_known);
}

KnownModules& KnownModules::make_own() {
    ThreadSlot* const slot = own_slot();
    if (slot->loader_known == nullptr) {
        auto* made = new KnownModules;
        made->next_ = std::exchange(first_of_all, made);
        slot->loader_known = made;
    }
    return *own();
}

template <typename Visit>
void KnownModules::each(Visit visit) noexcept {
    for (KnownModules* known = first_of_all; known != nullptr; known = known->next_) visit(*known);
}

// Two modules in one place take turns, and then it is as it would be without this.
KnownModules::Entry& KnownModules::entry_of(std::uint64_t importer, std::string_view name) noexcept {
    return entries_[(std::hash<std::string_view>()(name) + importer) % entries_.size()];
}

std::shared_ptr<ModuleRecord> KnownModules::find(std::uint64_t importer, std::string_view name) noexcept {
    KnownModules* const known = own();
    if (known == nullptr) return nullptr;
    std::lock_guard guard(known->mutex_);
    const Entry& entry = known->entry_of(importer, name);
    if (entry.record == nullptr || entry.importer != importer || entry.record->name != name) return nullptr;
    return entry.record;
}

void KnownModules::remember(std::uint64_t importer, const std::shared_ptr<ModuleRecord>& record) noexcept {
    try {
        KnownModules& known = make_own();
        std::shared_ptr<ModuleRecord> share(record.get(), Share{record});
        std::lock_guard guard(known.mutex_);
        // What was there is in the list as well, so this is not the last reference to it.
        known.entry_of(importer, record->name) = {importer, std::move(share)};
        record->known = true;
    } catch (const std::bad_alloc&) {
        // Then it is looked for in the list again.
    }
}

void KnownModules::forget(const ModuleRecord& record) noexcept {
    if (!record.known) return;
    each([&](KnownModules& known) {
        std::lock_guard guard(known.mutex_);
        for (Entry& entry : known.entries_)
            if (entry.record.get() == &record) entry.record = nullptr;
    });
}

void KnownModules::hold_for_fork() noexcept {
    each([](KnownModules& known) { known.mutex_.lock(); });
}

void KnownModules::release_after_fork() noexcept {
    each([](KnownModules& known) { known.mutex_.unlock(); });
}

}  // namespace interlock::detail
