// Unloading (loader.hpp): nobody may be inside, nobody may depend on it, and what it made goes before it does.
//
// SPDX-License-Identifier: MIT
#include <cstdlib>

#include <interlock/escape.hpp>

#include "handle.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace {

// Threads or callbacks of such a library may outlive its teardown; of a legacy one nothing is known.
bool must_stay_mapped(const ModuleRecord& record) noexcept {
    return record.legacy || (record.def != nullptr && (record.def->flags & IL_KEEP_MAPPED) != 0);
}

void drop_kept_values(ModuleRecord& record) {
    decltype(record.kept) kept;
    {
        std::lock_guard guard(record.objects);
        kept.swap(record.kept);
    }
}

}  // namespace

bool LoaderState::close_gate(ModuleRecord& record, std::optional<std::chrono::milliseconds> timeout) {
    record.gate.store(gate_closed, std::memory_order_seq_cst);
    heavy_fence();
    const std::uint64_t limit = timeout ? static_cast<std::uint64_t>(std::max<std::int64_t>(timeout->count(), 1)) : 0;
    return wait_until_outside(record.index, 0, limit);
}

void LoaderState::take_down(ModuleRecord& record, bool run_teardown) {
    drop_kept_values(record);
    destroy_handles(record);
    if (run_teardown && record.def != nullptr && record.def->teardown != nullptr) {
        Scope scope;
        through_gate(record, call_site(record.name, "(teardown)"), scope, GateCheck::already_inside,
                     [&](Invocation& call) -> il_status {
                         record.def->teardown(&call);
                         return IL_OK;
                     });
        destroy_handles(record);  // made by teardown itself
    }
    {
        Attached attached;  // destructors of the library are its code
        if (must_stay_mapped(record))
            new boost::dll::shared_library(std::move(record.library));  // never destroyed
        else
            record.library.unload();
    }
    std::free(record.state);
    record.state = nullptr;
    record.def = nullptr;
}

Outcome LoaderState::unload(std::string_view name, const UnloadOptions& unload_options) {
    Detached outside;
    std::shared_ptr<ModuleRecord> record;
    std::shared_ptr<Passage> passage;
    {
        std::unique_lock guard(mutex);
        for (;;) {
            const auto under_way = passages.find(name);
            if (under_way == passages.end()) break;
            const std::shared_ptr<Passage> other = under_way->second;
            auto* chain = static_cast<ImportFrame*>(own_slot()->loader_imports);
            if (would_deadlock(chain, other.get()))
                return Error{Errc::in_use, "module " + quoted(name) +
                                               " cannot be unloaded while it is being imported, and that waits for an "
                                               "import that this thread is in the middle of"};
            wait_for(guard, chain, other);
        }
        const auto entry = loaded.find(name);
        if (entry == loaded.end())
            return Error{Errc::not_found, "module " + quoted(name) + " is not loaded, so it cannot be unloaded"};
        record = entry->second;
        std::string users;
        for (const auto& [other_name, other] : loaded)
            if (other->uses.contains(record.get())) users += (users.empty() ? "" : ", ") + quoted(other_name);
        if (!users.empty())
            return Error{Errc::in_use, "module " + quoted(name) + " cannot be unloaded, as it is imported by " +
                                           users + "; unload that first"};
        if (tally_of(own_slot(), record->index)->inside.load(std::memory_order_relaxed) != 0)
            return Error{Errc::in_use, "module " + quoted(name) + " cannot be unloaded from inside one of its own "
                                                                  "calls"};
        passage = std::make_shared<Passage>();
        passage->name = name;
        passage->unloading = true;
        passages.emplace(passage->name, passage);
        loaded.erase(entry);
    }
    const bool stays_mapped = must_stay_mapped(*record);
    const std::uint32_t gate = record->gate.load(std::memory_order_relaxed);
    if (!close_gate(*record, unload_options.timeout)) {
        record->gate.store(gate, std::memory_order_seq_cst);
        {
            std::lock_guard guard(mutex);
            loaded.emplace(record->name, record);
        }
        finish_passage(passage);
        return Error{Errc::in_use, "module " + quoted(name) + " was not unloaded: after " +
                                       std::to_string(unload_options.timeout->count()) +
                                       " ms a call is still inside it; it stays loaded"};
    }
    take_down(*record, true);
    std::optional<std::size_t> fallback;
    {
        std::lock_guard guard(mutex);
        record->loaded = false;
        record->mapped = stays_mapped;
        record->uses.clear();
        fallback = std::exchange(record->fallback, std::nullopt);
        Past& past = history[record->history_index];
        past.final_stats = stats_of(*record);
        past.live = nullptr;
    }
    give_back_lock(fallback, "unloaded");
    finish_passage(passage);
    return Ok{};
}

bool LoaderState::in_own_import(const Passage* passage) const noexcept {
    for (auto* frame = static_cast<ImportFrame*>(own_slot()->loader_imports); frame != nullptr; frame = frame->outer)
        if (frame->passage == passage) return true;
    return false;
}

}  // namespace interlock::detail
