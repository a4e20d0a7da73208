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

/// Detaches at the end of the scope a thread that attach_before() has attached.
class AttachedAlready {
public:
    AttachedAlready() = default;
    ~AttachedAlready() { detach(own_slot()); }
    AttachedAlready(const AttachedAlready&) = delete;
    AttachedAlready& operator=(const AttachedAlready&) = delete;
};

void drop_kept_values(ModuleRecord& record) {
    decltype(record.kept) kept;
    {
        std::lock_guard guard(record.objects);
        kept.swap(record.kept);
    }
}

}  // namespace

LoaderState::Emptied LoaderState::close_gate(Passage& passage, Clock::time_point end) {
    ModuleRecord& record = *passage.record;
    record.gate.fetch_and(~gate_open, std::memory_order_seq_cst);
    heavy_fence();
    ThreadSlot* const slot = own_slot();
    // In slices, to notice that it is wanted.
    for (std::uint64_t slice = 1;; slice = std::min<std::uint64_t>(2 * slice, 16)) {
        const auto slice_end = std::min(end, Clock::now() + std::chrono::milliseconds(slice));
        // Teardown needs the global lock in locked mode; that is the last wait from which there is a way back.
        const bool ready = wait_until_outside(record.index, 0, slice) && attach_before(slot, slice_end);
        bool back = false;
        {
            std::lock_guard guard(mutex);
            if (ready && !passage.wanted) {
                passage.torn_down = true;
                return Emptied::yes;
            }
            back = passage.wanted || Clock::now() >= end;
            if (back) record.gate.fetch_or(gate_open, std::memory_order_seq_cst);
        }
        if (ready) detach(slot);
        if (back) return passage.wanted ? Emptied::wanted : Emptied::timed_out;
    }
}

void LoaderState::run_down(ModuleRecord& record, bool run_teardown) {
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
}

void LoaderState::take_away(ModuleRecord& record) {
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
    // Who runs under the dynamic linker must not wait for those who may be waiting for their turn there.
    const bool in_linker = LinkerTurn::is_here();
    const Clock::time_point end = in_linker ? Clock::now() : deadline_after(unload_options.timeout);
    const auto late = [&](std::string_view what) {
        return Error{Errc::in_use,
                     "module " + quoted(name) + " was not unloaded: " +
                         (in_linker ? "a constructor or destructor of a library must not wait, and "
                                    : "after " + std::to_string(unload_options.timeout->count()) + " ms ") +
                         std::string(what) + "; it stays loaded"};
    };
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
            if (end == Clock::time_point::max()) {
                wait_for(guard, own_imports(), other, false);
                continue;
            }
            const auto waiter = waiters.insert(waiters.end(), {own_imports(), other.get()});
            passage_done.wait_until(guard, end, [&] { return other->done; });
            waiters.erase(waiter);
            if (!other->done) return late("another thread imports or unloads it");
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
    if (const Emptied emptied = close_gate(*passage, end); emptied != Emptied::yes) {
        {
            std::lock_guard guard(mutex);
            loaded.insert(std::move(in_the_list));
        }
        if (emptied == Emptied::timed_out)
            return late(wait_until_outside(record->index, 0, 1) ? "another thread still holds the global lock"
                                                                : "a call is still inside it");
        return Error{Errc::in_use,
                     "module " + quoted(name) +
                         " was not unloaded: code of a module imports it at this moment; it stays loaded"};
    }
    {
        const AttachedAlready attached;
        run_down(*record, true);
    }
    take_away(*record);
    std::optional<EventId> fallback;
    {
        std::lock_guard guard(mutex);
        fallback = retire(record);
    }
    give_back_lock(fallback, "unloaded");
    return Ok{};
}

}  // namespace interlock::detail
