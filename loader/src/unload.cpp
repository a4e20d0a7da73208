// Unloading (loader.hpp): nobody may be inside, nobody may depend on it, and what it made goes before it does.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <set>

#include <interlock/escape.hpp>

#include "handle.hpp"
#include "known.hpp"
#include "lingering.hpp"
#include "linker_turn.hpp"
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
        names.insert(site.module.empty()
                         ? "code of the host"
                         : "function " + quoted(site.function, 80) + " of module " + quoted(site.module));
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

/// The thread is in the middle of all of them; the frames end in the opposite order.
struct Frames {
    Frames() = default;
    ~Frames() {
        while (!nested.empty()) nested.pop_back();
    }
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;
    std::deque<UnderImportLock> nested;
};

bool contains(const LoaderState::Unloading& unloading, const ModuleRecord& record) noexcept {
    return std::any_of(unloading.begin(), unloading.end(),
                       [&](const auto& import_lock) { return import_lock->record.get() == &record; });
}

/// Whether a module has imported another one, by way of others or not. Under LoaderState::mutex.
bool depends_on(const std::shared_ptr<ModuleRecord>& module, const std::shared_ptr<ModuleRecord>& other) {
    std::vector<std::shared_ptr<ModuleRecord>> open{module};
    std::set<std::shared_ptr<ModuleRecord>> seen{module};
    while (!open.empty()) {
        const auto next = std::move(open.back());
        open.pop_back();
        if (next->uses.contains(other)) return true;
        for (const auto& used : next->uses)
            if (seen.insert(used).second) open.push_back(used);
    }
    return false;
}

}  // namespace

LoaderState::Patience::Patience(std::optional<std::chrono::milliseconds> given)
    : in_linker(LinkerTurn::is_here()), timeout(given), end(in_linker ? Clock::now() : deadline_after(given)) {}

std::string LoaderState::Patience::ended() const {
    return in_linker ? "a constructor or destructor of a library must not wait, and "
                     : "after " + std::to_string(timeout->count()) + " ms ";
}

LoaderState::Emptied LoaderState::close_gates(const Unloading& unloading, Clock::time_point end) {
    for (const auto& import_lock : unloading)
        import_lock->record->gate.fetch_and(~gate_open, std::memory_order_seq_cst);
    heavy_fence();
    ThreadSlot* const slot = own_slot();
    // In slices, to notice that it is wanted.
    for (std::uint64_t slice = 1;; slice = std::min<std::uint64_t>(2 * slice, 16)) {
        const auto slice_end = std::min(end, Clock::now() + std::chrono::milliseconds(slice));
        bool empty = true, wanted = false, kept = false, back = false;
        for (const auto& import_lock : unloading)
            empty = empty && wait_until_outside(import_lock->record->index, 0, slice);
        // Teardown needs the global lock in locked mode; that is the last wait from which there is a way back.
        const bool ready = empty && attach_before(slot, slice_end);
        {
            std::lock_guard guard(mutex);
            for (const auto& import_lock : unloading) {
                wanted = wanted || import_lock->wanted;
                // A call that was inside may have given others something to keep.
                kept = kept || (empty && is_kept(*import_lock->record, unloading));
            }
            if (ready && !wanted && !kept) {
                for (const auto& import_lock : unloading) import_lock->torn_down = true;
                return Emptied::yes;
            }
            back = wanted || kept || Clock::now() >= end;
            if (back)
                for (const auto& import_lock : unloading)
                    import_lock->record->gate.fetch_or(gate_open, std::memory_order_seq_cst);
        }
        if (ready) detach(slot);
        if (back) return wanted ? Emptied::wanted : kept ? Emptied::kept : Emptied::timed_out;
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

void LoaderState::retire(ImportLock& unloading) noexcept {
    const std::shared_ptr<ModuleRecord>& record = unloading.record;
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
    unloading.request = std::exchange(record->request, {});
}

template <typename Visit>
void LoaderState::each_keeper(const ModuleRecord& owner, const Unloading& together, Visit visit) const {
    const auto look_at = [&](const ModuleRecord& keeper) {
        if (&keeper != &owner && !contains(together, keeper) && keeps_of(keeper, owner)) visit(keeper);
    };
    for (const auto& [name, record] : loaded) look_at(*record);
    for (const auto& [name, import_lock] : import_locks)
        if (import_lock->record) look_at(*import_lock->record);
}

bool LoaderState::is_kept(const ModuleRecord& owner, const Unloading& together) const noexcept {
    bool kept = false;
    each_keeper(owner, together, [&](const ModuleRecord&) { kept = true; });
    return kept;
}

std::string LoaderState::keepers(const ModuleRecord& owner, const Unloading& together) const {
    std::string names;
    each_keeper(owner, together,
                [&](const ModuleRecord& keeper) { names += (names.empty() ? "" : ", ") + quoted(keeper.name); });
    return names;
}

std::optional<Error> LoaderState::hindrance(const std::shared_ptr<ModuleRecord>& record,
                                            const Unloading& together) const {
    const auto in_use = [&](std::string why) {
        return Error{Errc::in_use, "module " + quoted(record->name) + " cannot be unloaded" + std::move(why)};
    };
    std::string users;
    bool circle = false;
    const auto add_user = [&](const std::string& user) { users += (users.empty() ? "" : ", ") + quoted(user); };
    for (const auto& [name, other] : loaded) {
        if (contains(together, *other)) continue;
        // A package that imports its own parts can only go before them.
        const bool part = other->package == record && !record->uses.contains(other);
        if (!part && !other->uses.contains(record)) continue;
        add_user(name);
        circle = circle || depends_on(record, other);
    }
    for (const auto& [name, import_lock] : import_locks) {
        const ModuleRecord* other = import_lock->record.get();
        const bool part = import_lock->package == record || (import_lock->unloading && other->package == record &&
                                                             !record->uses.contains(import_lock->record));
        if (!part && (other == nullptr || !other->uses.contains(record))) continue;
        add_user(name);
        // Its teardown may call what it has imported, and until then it may come back.
        if (import_lock->unloading) users += " (which is being unloaded)";
    }
    if (!users.empty() && circle)
        return in_use(", as it is imported by " + users +
                      ", which it imports itself; unload them in one call "
                      "(Loader::unload with several names)");
    if (!users.empty()) return in_use(", as it is imported by " + users + "; unload that first");
    if (const std::string names = keepers(*record, together); !names.empty())
        return in_use(", as " + names + " keeps a buffer or object of it (il_retain); unload that first");
    if (is_inside(*record)) {
        const ModuleTally* own = tally_of(own_slot(), record->index);
        const std::uint32_t inside = own->inside.load(std::memory_order_relaxed);
        if (inside != 0 && own->lent.load(std::memory_order_relaxed) == inside)
            return in_use(" from inside a call that uses a buffer or object of it");
        return in_use(" from inside one of its own calls");
    }
    for (const auto& [name, import_lock] : import_locks)
        if (import_lock->unloading && is_inside(*import_lock->record))
            return in_use(" from inside a call into " + quoted(name) +
                          ", which another thread is unloading: that waits for this call");
    return std::nullopt;
}

Warning LoaderState::lingering_warning(const ModuleRecord& record) {
    Warning warning{WarningCategory::module,
                    record.name,
                    "the library of module " + quoted(record.name) + " stays mapped, as ",
                    {}};
    warning.headline.reserve(warning.headline.size() + max_lingering);
    warning.details.push_back({"file", quoted(record.file.path.string(), 1000)});
    warning.details.push_back({"effect", "a new version of the file cannot be imported in this process"});
    warning.details.push_back({"fix",
                               "end in teardown what the module began; if that cannot be done, state IL_KEEP_MAPPED "
                               "in IL_MODULE_FLAGS, and there is no warning"});
    return warning;
}

void LoaderState::warn_of_lingering(ImportLock& import_lock) noexcept {
    const std::string& reason = import_lock.record->lingering;
    if (reason.empty()) return;
    std::string& headline = import_lock.lingering.headline;
    // So that it needs no memory, whatever the reason.
    headline.append(reason, 0, headline.capacity() - headline.size());
    issue(import_lock.lingering);
}

std::optional<Error> LoaderState::begin_unloading(std::span<const std::string_view> names, const Patience& patience,
                                                  Unloading& unloading) {
    std::unique_lock guard(mutex);
    for (std::size_t i = 0; i < names.size();) {
        const std::string_view name = names[i];
        if (const auto under_way = import_locks.find(name); under_way != import_locks.end()) {
            const std::shared_ptr<ImportLock> other = under_way->second;
            const bool here = other->record && is_inside(*other->record);
            if (here || would_deadlock(own_imports(), other.get()))
                return Error{Errc::in_use, "module " + quoted(name) +
                                               " cannot be unloaded here, as it is being imported or unloaded, and "
                                               "that waits for this thread"};
            if (!wait_for(guard, own_imports(), other, false, patience.end))
                return Error{Errc::in_use, "module " + quoted(name) + " was not unloaded: " + patience.ended() +
                                               "another thread imports or unloads it; it stays loaded"};
            unloading.clear();
            i = 0;  // meanwhile everything may have changed
            continue;
        }
        const auto entry = loaded.find(name);
        if (entry == loaded.end())
            return Error{Errc::not_found, "module " + quoted(name) + " is not loaded, so it cannot be unloaded"};
        ++i;
        if (contains(unloading, *entry->second)) continue;
        const auto import_lock = std::make_shared<ImportLock>();
        import_lock->name = name;
        import_lock->unloading = true;
        import_lock->record = entry->second;
        import_lock->event = {.kind = EventKind::unloaded,
                              .module = import_lock->name,
                              .text = escape(import_lock->record->file.path.string(), 1000)};
        import_lock->lingering = lingering_warning(*import_lock->record);
        unloading.push_back(import_lock);
    }
    for (const auto& import_lock : unloading)
        if (auto error = hindrance(import_lock->record, unloading)) return error;
    // First all that needs memory: then it happens as a whole, or not at all.
    decltype(import_locks) made;
    for (const auto& import_lock : unloading) made.emplace(import_lock->name, import_lock);
    import_locks.merge(made);
    for (const auto& import_lock : unloading) {
        KnownModules::forget(*import_lock->record);
        import_lock->in_the_list = loaded.extract(import_lock->name);
    }
    return std::nullopt;
}

LoaderState::FinishUnloading::~FinishUnloading() {
    {
        std::lock_guard guard(state_.mutex);
        for (const auto& import_lock : unloading_) {
            if (import_lock->torn_down) continue;
            import_lock->record->gate.fetch_or(gate_open, std::memory_order_seq_cst);
            state_.loaded.insert(std::move(import_lock->in_the_list));
        }
    }
    for (const auto& import_lock : unloading_)
        if (!import_lock->done) state_.release_import_lock(import_lock);
}

Error LoaderState::why_not_unloaded(const Unloading& unloading, Emptied why, const Patience& patience) const {
    std::string names, users, kept_by;
    for (const auto& import_lock : unloading) {
        names += (names.empty() ? "" : ", ") + quoted(import_lock->name);
        const std::string more = names_of(borrowers(import_lock->record->index));
        users += (users.empty() || more.empty() ? "" : ", ") + more;
    }
    {
        std::lock_guard guard(mutex);
        for (const auto& import_lock : unloading)
            if (kept_by.empty()) kept_by = keepers(*import_lock->record, unloading);
    }
    const bool one = unloading.size() == 1;
    const std::string it = one ? "it" : "one of them";
    const auto reason = [&]() -> std::string {
        if (why == Emptied::wanted) return "code of a module imports " + it + " at this moment";
        if (why == Emptied::kept) return kept_by + " keeps a buffer or object of " + it + " (il_retain)";
        if (!users.empty()) return patience.ended() + users + " still uses a buffer or object of " + it;
        const bool empty = std::all_of(unloading.begin(), unloading.end(), [](const auto& import_lock) {
            return wait_until_outside(import_lock->record->index, 0, 1);
        });
        return patience.ended() +
               (empty ? "another thread still holds the global lock" : "a call is still inside " + it);
    };
    return {Errc::in_use, (one ? "module " : "modules ") + names + (one ? " was" : " were") +
                              " not unloaded: " + reason() + (one ? "; it stays loaded" : "; all of them stay loaded")};
}

Outcome LoaderState::unload(std::span<const std::string_view> names, const UnloadOptions& unload_options) {
    const Patience patience(unload_options.timeout);
    Detached outside;
    Unloading unloading;
    if (auto error = begin_unloading(names, patience, unloading)) return std::move(*error);
    const FinishUnloading finish(*this, unloading);
    Frames frames;
    for (const auto& import_lock : unloading) frames.nested.emplace_back(*import_lock);
    if (const Emptied emptied = close_gates(unloading, patience.end); emptied != Emptied::yes)
        return why_not_unloaded(unloading, emptied, patience);
    {
        const AttachedAlready attached;
        isolate([&] {  // as for an import
            for (const auto& import_lock : unloading) run_down(*import_lock->record, true);
        });
    }
    for (const auto& import_lock : unloading) {
        isolate([&] { take_away(*import_lock->record); });
        {
            std::lock_guard guard(mutex);
            retire(*import_lock);
        }
        give_back_lock(import_lock->request, "unloaded");
        release_import_lock(import_lock);
    }
    for (const auto& import_lock : unloading) {
        runtime.tell(std::move(import_lock->event));
        warn_of_lingering(*import_lock);
    }
    return Ok{};
}

}  // namespace interlock::detail
