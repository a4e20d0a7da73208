// Unloading (loader.hpp): nobody may be inside, nobody may depend on it, and what it made goes before it does.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>

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
    }
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
        if (empty && !passage.wanted) {
            passage.torn_down = true;
        } else if (late || passage.wanted) {
            record.gate.fetch_or(gate_open, std::memory_order_seq_cst);
            return passage.wanted ? Emptied::wanted : Emptied::timed_out;
        }
    }
    return Emptied::yes;
}

void LoaderState::take_down(ModuleRecord& record, bool run_teardown) {
    destroy_handles(record);
    if (run_teardown && record.def != nullptr && record.def->teardown != nullptr) {
        Scope scope;
        through_gate(record, record.teardown_site, scope, GateCheck::already_inside,
                     [&](Invocation& call) -> il_status {
                         record.def->teardown(&call);
                         return IL_OK;
                     });
    }
    drop_kept_values(record);
    destroy_handles(record);  // made by teardown itself
    const bool mapped = unmap(record);
    std::free(record.state);
    record.state = nullptr;
    record.def = nullptr;
    std::lock_guard guard(record.loader.mutex);
    record.mapped = mapped;
}

std::optional<EventId> LoaderState::retire(const std::shared_ptr<ModuleRecord>& record) noexcept {
    record->loaded = false;
    record->uses.clear();
    record->package = nullptr;
    const auto past = history.find(record->history_index);
    const auto before = loads.find(record->name);
    if (before->second.last_unloaded) history.erase(*before->second.last_unloaded);
    before->second.last_unloaded = record->history_index;
    past->second.live = nullptr;
    try {
        past->second.final_stats = stats_of(*record);
    } catch (const std::bad_alloc&) {
        before->second.last_unloaded = std::nullopt;
        history.erase(past);
    }
    return std::exchange(record->fallback, std::nullopt);
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
    if (is_inside(*record)) return in_use(" from inside one of its own calls");
    for (const auto& [name, passage] : passages)
        if (passage->unloading && is_inside(*passage->record))
            return in_use(" from inside a call into " + quoted(name) +
                          ", which another thread is unloading: that waits for this call");
    return std::nullopt;
}

Outcome LoaderState::unload(std::string_view name, const UnloadOptions& unload_options) {
    Detached outside;
    std::shared_ptr<ModuleRecord> record;
    decltype(loaded)::node_type in_the_list;
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
        in_the_list = loaded.extract(entry);
    }
    const FinishPassage finish(*this, passage);
    const InPassage unloading(*passage);
    if (const Emptied emptied = close_gate(*passage, unload_options.timeout); emptied != Emptied::yes) {
        {
            std::lock_guard guard(mutex);
            loaded.insert(std::move(in_the_list));
        }
        return Error{Errc::in_use,
                     "module " + quoted(name) + " was not unloaded: " +
                         (emptied == Emptied::wanted ? std::string("code of a module imports it at this moment")
                                                     : "after " + std::to_string(unload_options.timeout->count()) +
                                                           " ms a call is still inside it") +
                         "; it stays loaded"};
    }
    take_down(*record, true);
    std::optional<EventId> fallback;
    {
        std::lock_guard guard(mutex);
        fallback = retire(record);
    }
    give_back_lock(fallback, "unloaded");
    return Ok{};
}

}  // namespace interlock::detail
