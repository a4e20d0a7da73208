// Unloading (loader.hpp): nobody may be inside, nobody may depend on it, and what it made goes before it does.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>
#include <set>

#include <interlock/escape.hpp>

#include "handle.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace {

using Clock = std::chrono::steady_clock;

void drop_kept_values(ModuleRecord& record) {
    decltype(record.kept) kept;
    {
        std::lock_guard guard(record.objects);
        kept.swap(record.kept);
        record.keeps.clear();
    }
}

bool keeps_of(const ModuleRecord& keeper, const ModuleRecord& owner) {
    std::lock_guard guard(keeper.objects);
    return keeper.keeps.contains(&owner);
}

/// "function 'f' of module 'm'", for each.
std::string names_of(const std::vector<CallSite>& sites) {
    std::set<std::string> names;
    for (const CallSite& site : sites)
        names.insert(site.module.empty() ? "code of the host"
                                         : "function " + quoted(site.function, 80) + " of module " + quoted(site.module));
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

}  // namespace

LoaderState::Emptied LoaderState::close_gate(Passage& passage, std::optional<std::chrono::milliseconds> timeout) {
    ModuleRecord& record = *passage.record;
    record.gate.fetch_and(~gate_open, std::memory_order_seq_cst);
    heavy_fence();
    const auto limit = std::chrono::milliseconds(timeout ? std::max<std::int64_t>(timeout->count(), 1) : 0);
    const Clock::time_point begin = Clock::now();
    bool empty = false;
    // In slices, to notice that it is wanted.
    for (std::uint64_t slice = 1; !empty; slice = std::min<std::uint64_t>(2 * slice, 16)) {
        empty = wait_until_outside(record.index, 0, slice);
        const bool late = timeout && Clock::now() - begin >= limit;
        std::lock_guard guard(mutex);
        // A call that was inside may have given others something to keep.
        const bool kept = empty && !keepers(record).empty();
        if (empty && !passage.wanted && !kept) {
            passage.torn_down = true;
        } else if (late || passage.wanted || kept) {
            record.gate.fetch_or(gate_open, std::memory_order_seq_cst);
            return passage.wanted ? Emptied::wanted : kept ? Emptied::kept : Emptied::timed_out;
        }
    }
    return Emptied::yes;
}

void LoaderState::take_down(ModuleRecord& record, bool run_teardown) {
    destroy_handles(record);
    if (run_teardown && record.def != nullptr && record.def->teardown != nullptr) {
        Scope scope;
        through_gate(record, call_site(record.name, "(teardown)"), scope, GateCheck::already_inside,
                     [&](Invocation& call) -> il_status {
                         record.def->teardown(&call);
                         return IL_OK;
                     });
    }
    drop_kept_values(record);
    destroy_handles(record);  // made by teardown itself
    bool mapped;
    {
        Attached attached;  // destructors of the library are its code
        mapped = unmap(record);
    }
    std::free(record.state);
    record.state = nullptr;
    record.def = nullptr;
    std::lock_guard guard(record.loader.mutex);
    record.mapped = mapped;
}

std::optional<std::size_t> LoaderState::retire(const std::shared_ptr<ModuleRecord>& record) {
    record->loaded = false;
    record->uses.clear();
    record->package = nullptr;
    Past& past = history[record->history_index];
    past.final_stats = stats_of(*record);
    past.live = nullptr;
    return std::exchange(record->fallback, std::nullopt);
}

std::string LoaderState::keepers(const ModuleRecord& owner) const {
    std::string names;
    const auto look_at = [&](const ModuleRecord& keeper) {
        if (&keeper != &owner && keeps_of(keeper, owner)) names += (names.empty() ? "" : ", ") + quoted(keeper.name);
    };
    for (const auto& [name, record] : loaded) look_at(*record);
    for (const auto& [name, passage] : passages)
        if (passage->record) look_at(*passage->record);
    return names;
}

std::optional<Error> LoaderState::hindrance(const std::shared_ptr<ModuleRecord>& record) const {
    const auto in_use = [&](std::string why) {
        return Error{Errc::in_use, "module " + quoted(record->name) + " cannot be unloaded" + std::move(why)};
    };
    std::string users;
    const auto add_user = [&](const std::string& user) { users += (users.empty() ? "" : ", ") + quoted(user); };
    for (const auto& [name, other] : loaded) {
        // A package that imports its own parts can only go before them.
        const bool part = other->package == record && !record->uses.contains(other);
        if (part || other->uses.contains(record)) add_user(name);
    }
    for (const auto& [name, passage] : passages) {
        const bool needed = passage->package == record || (passage->record && passage->record->uses.contains(record));
        if (!passage->unloading && needed) add_user(name);
    }
    if (!users.empty()) return in_use(", as it is imported by " + users + "; unload that first");
    if (const std::string names = keepers(*record); !names.empty())
        return in_use(", as " + names + " keeps a buffer or object of it (il_retain); unload that first");
    if (const ModuleTally* own = tally_of(own_slot(), record->index); own->inside.load(std::memory_order_relaxed) != 0) {
        if (own->lent.load(std::memory_order_relaxed) == own->inside.load(std::memory_order_relaxed))
            return in_use(" from inside a call that uses a buffer or object of it");
        return in_use(" from inside one of its own calls");
    }
    for (const auto& [name, passage] : passages)
        if (passage->unloading && is_inside(*passage->record))
            return in_use(" from inside a call into " + quoted(name) +
                          ", which another thread is unloading: that waits for this call");
    return std::nullopt;
}

Outcome LoaderState::unload(std::string_view name, const UnloadOptions& unload_options) {
    Detached outside;
    std::shared_ptr<ModuleRecord> record;
    const auto passage = std::make_shared<Passage>();
    {
        std::unique_lock guard(mutex);
        for (;;) {
            const auto under_way = passages.find(name);
            if (under_way == passages.end()) break;
            const std::shared_ptr<Passage> other = under_way->second;
            const bool here = other->record && is_inside(*other->record);
            if (here || would_deadlock(own_imports(), other.get()))
                return Error{Errc::in_use, "module " + quoted(name) +
                                               " cannot be unloaded here, as it is being imported or unloaded, and "
                                               "that waits for this thread"};
            wait_for(guard, own_imports(), other, false);
        }
        const auto entry = loaded.find(name);
        if (entry == loaded.end())
            return Error{Errc::not_found, "module " + quoted(name) + " is not loaded, so it cannot be unloaded"};
        record = entry->second;
        if (const auto error = hindrance(record)) return *error;
        passage->name = name;
        passage->unloading = true;
        passage->record = record;
        passages.emplace(passage->name, passage);
        loaded.erase(entry);
    }
    const InPassage unloading(*passage);
    if (const Emptied emptied = close_gate(*passage, unload_options.timeout); emptied != Emptied::yes) {
        const std::string users = names_of(borrowers(record->index));
        std::string keeper;
        {
            std::lock_guard guard(mutex);
            keeper = keepers(*record);
            loaded.emplace(record->name, record);
        }
        finish_passage(passage);
        const auto why = [&]() -> std::string {
            if (emptied == Emptied::wanted) return "code of a module imports it at this moment";
            if (emptied == Emptied::kept) return keeper + " keeps a buffer or object of it (il_retain)";
            const std::string waited = "after " + std::to_string(unload_options.timeout->count()) + " ms ";
            return waited + (users.empty() ? "a call is still inside it" : users + " still uses a buffer or object of it");
        };
        return Error{Errc::in_use, "module " + quoted(name) + " was not unloaded: " + why() + "; it stays loaded"};
    }
    take_down(*record, true);
    std::optional<std::size_t> fallback;
    {
        std::lock_guard guard(mutex);
        fallback = retire(record);
    }
    give_back_lock(fallback, "unloaded");
    finish_passage(passage);
    return Ok{};
}

}  // namespace interlock::detail
