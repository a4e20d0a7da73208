// What a Loader keeps, shared by the files that implement it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <interlock/gate.hpp>
#include <interlock/loader.hpp>

#include "linked_objects.hpp"
#include "loader/library_search.hpp"
#include "module_record.hpp"

namespace interlock::detail {

/// The import, or unloading, of one module that is under way: the module's import lock.
struct ImportLock {
    std::string name;
    std::shared_ptr<ModuleRecord> record;   ///< that is being made, or unloaded
    std::shared_ptr<ModuleRecord> package;  ///< that the new module is in: not to be unloaded meanwhile
    bool partial = false;                   ///< the record can be handed out in a circular import
    bool done = false;
    bool unloading = false;  ///< not an import
    bool torn_down = false;  ///< unloading, and there is no way back
    bool wanted = false;     ///< unloading, and code of a module imports it: the unloading has to give up
    /// Unloading, until it is torn down: its place in LoaderState::loaded, to which it may go back.
    std::map<std::string, std::shared_ptr<ModuleRecord>, std::less<>>::node_type in_the_list;
    LockRequest request;         ///< of an import until the module takes it over; of an unloading afterwards
    std::optional<Error> error;  ///< of an import that is being undone, or has been
    std::shared_ptr<ModuleRecord> result;
    // What is to be said when it is over, made while it can still fail: then there may be no memory for it any more.
    RuntimeEvent event;
    Warning lingering;  ///< without its reason
};

/// The imports that a thread is in the middle of, innermost first; handed on to threads that work for it.
struct ImportFrame {
    ImportLock* import_lock;
    ImportFrame* outer;
};

struct LoaderState {
    LoaderState(Loader& owner, Runtime& host_runtime, LoaderOptions given);
    ~LoaderState();

    Loader& loader;
    Runtime& runtime;
    LoaderOptions options;
    std::vector<std::filesystem::path> search_path;
    std::vector<WarningFilter> filters;  ///< the policy's, then the user's

    /// Held for bookkeeping only: never while anything is waited for or code of others runs.
    mutable std::mutex mutex;
    std::condition_variable import_lock_released;
    std::map<std::string, std::shared_ptr<ModuleRecord>, std::less<>> loaded;
    /// Every module that was loaded, in order; of unloaded ones only the figures are left, and those of the last time
    /// only: a program that reloads a module for years must not grow.
    struct Past {
        std::shared_ptr<ModuleRecord> live;
        ModuleStats final_stats;
    };
    std::map<std::uint64_t, Past> history;
    std::uint64_t next_in_history = 0;
    /// By name: how often it was loaded, and where in the history the last one is that was unloaded.
    struct Loads {
        std::uint64_t count = 0;
        std::optional<std::uint64_t> last_unloaded;
    };
    std::map<std::string, Loads, std::less<>> loads;
    std::map<std::string, std::shared_ptr<ImportLock>, std::less<>> import_locks;
    struct Waiter {
        ImportFrame* chain;
        ImportLock* target;
    };
    std::list<Waiter> waiters;
    std::map<std::string, std::shared_ptr<Lineage>, std::less<>> reloads;  ///< that are under way
    std::map<std::string, std::shared_ptr<Lineage>, std::less<>> broken;   ///< not loaded, as the last reload failed
    std::map<EventId, FallbackEvent> fallbacks;  ///< of those that are over, the last max_past_fallbacks
    EventId next_fallback = 0;
    std::size_t past_fallbacks = 0;
    std::set<std::pair<WarningCategory, std::string>> warned;
    std::uint64_t warnings_issued = 0, warnings_suppressed = 0;

    bool closing = false;       ///< the destructor runs: nothing is imported any more
    bool shows_stalls = false;  ///< the runtime's reports of stalls come here

    // fork.cpp
    ForkHooks fork_hooks;
    void set_up_fork_hooks();
    void before_fork();
    /// All that live, as long as the mutex is held always the same ones.
    template <typename Visit>
    void each_record(Visit visit) const;
    void release_records();       ///< in parent and child, before the mutex is
    void forget_other_threads();  ///< in the child, with both

    // import_lock.cpp
    Result<std::shared_ptr<ModuleRecord>> import(std::string_view name, const ImportOptions& import_options,
                                                 std::vector<std::string> imported_by);
    /// The same for code of a module, which then depends on what it gets.
    Result<std::shared_ptr<ModuleRecord>> import_for(ModuleRecord& importer, const CallSite& site,
                                                     std::string_view name);
    /// Whether waiting for `target` would never end, as it waits for something in `chain`. Under mutex.
    bool would_deadlock(const ImportFrame* chain, const ImportLock* target) const;
    /// Waits for another thread's import lock: until it is over, or, for code of a module if `error_is_enough`, until
    /// its import has failed. Or until `end`, if that is not never: false. The caller is detached, holds the mutex by
    /// `guard`, and has asked would_deadlock().
    bool wait_for(std::unique_lock<std::mutex>& guard, ImportFrame* chain,
                  const std::shared_ptr<ImportLock>& import_lock, bool error_is_enough,
                  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max());
    void release_import_lock(const std::shared_ptr<ImportLock>& import_lock) noexcept;
    /// Releases an import lock however the scope is left: who waits for one that nobody releases waits for ever.
    class ReleaseImportLock {
    public:
        ReleaseImportLock(LoaderState& state, std::shared_ptr<ImportLock> import_lock) noexcept
            : state_(state), import_lock_(std::move(import_lock)) {}
        ~ReleaseImportLock() { state_.release_import_lock(import_lock_); }
        ReleaseImportLock(const ReleaseImportLock&) = delete;
        ReleaseImportLock& operator=(const ReleaseImportLock&) = delete;

    private:
        LoaderState& state_;
        std::shared_ptr<ImportLock> import_lock_;
    };
    /// Whether it is loaded, or being imported. Under mutex.
    bool is_alive(const std::shared_ptr<ModuleRecord>& record) const;
    // import.cpp
    struct Imported {
        Result<std::shared_ptr<ModuleRecord>> result;
        std::vector<Warning> warnings;  ///< to be issued when the import lock is released
    };
    Imported run_import(const std::shared_ptr<ImportLock>& import_lock, const ImportOptions& import_options,
                        std::vector<std::string> imported_by);
    // find.cpp
    std::optional<std::filesystem::path> file_of(std::string_view name) const;
    /// The same. Error: not_found, with where it was looked for and what may have been meant, which takes its time.
    Result<std::filesystem::path> locate(std::string_view name) const;
    /// locate() and read_module_file() with less system calls. Errors: of both.
    Result<ModuleFile> find(std::string_view name) const;
    Error nothing_named(std::string_view name) const;
    /// Whether `name` is a folder on the search path that is no module itself (a namespace package).
    bool is_namespace(std::string_view name) const;
    // libraries.cpp
    /// In the linker's turn only.
    struct Libraries {
        explicit Libraries(const std::filesystem::path& other_program);
        LinkedObjects linked;
        LibrarySearch search;
        std::vector<LibraryRef> of_other_program;  ///< of LoaderOptions::plans_for
    };
    mutable std::unique_ptr<Libraries> libraries;
    std::set<std::string, std::less<>> of_the_program;  ///< paths of libraries that were there before the loader
    void see_the_program();                             ///< fills it
    /// In the linker's turn: what the linker has now.
    LinkedObjects& linked() const;
    /// What the dynamic linker will pull in for a file, judged. Detached. Errors: unsupported, wrong_state.
    enum class Whose : std::uint8_t { this_process, planned_program };
    Result<std::vector<PulledLibrary>> libraries_of(const ModuleFile& file, Whose process,
                                                    std::vector<Warning>& warnings) const;
    /// What it has pulled in beyond `planned`, of the objects that are new. Detached. Error: file_changed, for one that
    /// is not what was planned.
    Result<std::vector<PulledLibrary>> libraries_beyond(const std::vector<PulledLibrary>& planned,
                                                        const std::vector<LinkedObject>& fresh,
                                                        std::vector<Warning>& warnings) const;
    // facts.cpp
    struct Judged {
        Decision decision;
        MarkerState marker = MarkerState::unmarked;
        std::vector<PulledLibrary> libraries;
        std::vector<Warning> warnings;  ///< beside the fallback's
    };
    /// `pulled_in` counts, but for what an override or the policy says of the module itself.
    Judged decide(std::string_view name, const ModuleFile& file, const std::optional<PolicyAction>& override_,
                  std::vector<PulledLibrary> pulled_in) const;
    /// What the policy says of a library that is no module: a rule that refuses it, as text.
    std::optional<std::string> refusal_of(const ModuleFile& library) const;
    /// What stands against an import, of all that is known before anything is mapped.
    std::optional<Error> obstacle(std::string_view name, const ModuleFile& file, const Judged& judged,
                                  const std::vector<std::string>& imported_by) const;
    /// Whether the runtime leaves parallel mode for a module with this decision.
    bool needs_lock(const Decision& decision) const noexcept;
    // fallback_warning.cpp
    Warning fallback_warning(std::string_view name, const ModuleFile& file, const Judged& judged,
                             const std::vector<std::string>& imported_by,
                             const std::optional<SwitchReport>& switched) const;
    // warnings.cpp
    WarningAction action_for(WarningCategory category, std::string_view module) const noexcept;
    /// Shows it unless a filter or an earlier one like it says no. Not for actions that are errors.
    void issue(const Warning& warning) noexcept;
    /// Whether it is new. What was said long ago is forgotten when there is too much of it, and may be said again.
    /// Under mutex.
    bool remember(const Warning& warning) noexcept;
    /// Takes back a request for locked mode, if it is one, and closes its event.
    void give_back_lock(LockRequest& request, std::string_view outcome) noexcept;
    // report.cpp
    ModuleStats stats_of(const ModuleRecord& record) const;  ///< under mutex
    // plan.cpp
    /// As if it was not loaded.
    Result<Plan> plan_anew(std::string_view name, const ImportOptions& import_options) const;
    // reload.cpp
    Result<std::shared_ptr<ModuleRecord>> reload(std::string_view name, const ReloadOptions& reload_options,
                                                 std::vector<std::string> imported_by);
    // unload.cpp
    enum class Emptied : std::uint8_t { yes, timed_out, wanted, kept };
    using Unloading = std::vector<std::shared_ptr<ImportLock>>;  ///< modules that are unloaded together
    /// All of them or none.
    Outcome unload(std::span<const std::string_view> names, const UnloadOptions& unload_options);
    /// How long an unloading waits. Who runs under the dynamic linker must not wait for those who may be waiting for
    /// their turn there.
    struct Patience {
        explicit Patience(std::optional<std::chrono::milliseconds> given);
        /// That it has come to its end, for a message.
        std::string ended() const;
        bool in_linker;
        std::optional<std::chrono::milliseconds> timeout;
        std::chrono::steady_clock::time_point end;
    };
    /// Takes the import locks, unless there is something that speaks against it.
    std::optional<Error> begin_unloading(std::span<const std::string_view> names, const Patience& patience,
                                         Unloading& unloading);
    /// Releases the import locks that begin_unloading() made, however the scope is left. What was not torn down is as
    /// it was.
    class FinishUnloading {
    public:
        FinishUnloading(LoaderState& state, const Unloading& unloading) noexcept
            : state_(state), unloading_(unloading) {}
        ~FinishUnloading();
        FinishUnloading(const FinishUnloading&) = delete;
        FinishUnloading& operator=(const FinishUnloading&) = delete;

    private:
        LoaderState& state_;
        const Unloading& unloading_;
    };
    Error why_not_unloaded(const Unloading& unloading, Emptied why, const Patience& patience) const;
    /// Closes the gates and waits until nobody is inside and this thread has attached. If not `yes`, the gates are open
    /// again and the thread detached, as it was before.
    Emptied close_gates(const Unloading& unloading, std::chrono::steady_clock::time_point end);
    /// Behind a closed gate: destroys what the module made.
    static void run_down(ModuleRecord& record, bool run_teardown);
    /// Then unmaps it, detached.
    static void take_away(ModuleRecord& record);
    /// The warning that something may still run code of a module that has been taken down: all but the reason, for
    /// which there is room.
    static Warning lingering_warning(const ModuleRecord& record);
    /// Issues it, if there is a reason. The import lock has been released, or is about to be.
    void warn_of_lingering(ImportLock& import_lock) noexcept;
    /// Only the figures of an unloaded module are left, and its request for locked mode, which the import lock gets.
    /// Under mutex.
    void retire(ImportLock& unloading) noexcept;
    /// The modules that keep (il_retain) what belongs to another one, as text; "" for none. Under mutex.
    std::string keepers(const ModuleRecord& owner, const Unloading& together) const;
    bool is_kept(const ModuleRecord& owner, const Unloading& together) const noexcept;
    template <typename Visit>
    void each_keeper(const ModuleRecord& owner, const Unloading& together, Visit visit) const;
    /// Why this thread cannot unload a module now. Under mutex.
    std::optional<Error> hindrance(const std::shared_ptr<ModuleRecord>& record, const Unloading& together) const;
};

/// "it pulls in module 'x' of '/opt/x.so', which '/opt/y.so' needs", for messages.
std::string pulled_in(const PulledLibrary& library);
/// All that an import looks at in a file. The entry points may be missing, and has_entry_points then says so.
Result<ModuleFile> read_module(const std::filesystem::path& path);
/// Whether the file offers an entry point for the module, as far as that could be read.
EntryKind entry_of(const ModuleFile& file, std::string_view name);
/// That it does not, and what it offers instead.
std::string missing_entry(const ModuleFile& file, std::string_view name);

/// The imports that the calling thread is in the middle of.
ImportFrame* own_imports() noexcept;
/// Makes the thread, for a scope, one that is in the middle of an import or an unloading.
class UnderImportLock {
public:
    explicit UnderImportLock(ImportLock& import_lock) : slot_(own_slot()), frame_{&import_lock, own_imports()} {
        slot_->loader_imports = &frame_;
    }
    ~UnderImportLock() { slot_->loader_imports = frame_.outer; }
    UnderImportLock(const UnderImportLock&) = delete;
    UnderImportLock& operator=(const UnderImportLock&) = delete;

private:
    ThreadSlot* slot_;
    ImportFrame frame_;
};

/// Validates a dotted name: components are identifiers of at most 200 bytes, 1000 bytes in total.
Outcome check_name(std::string_view name);
std::string_view last_component(std::string_view name) noexcept;
/// "a.b.c" -> "a.b"; "" for a top-level name.
std::string_view parent_of(std::string_view name) noexcept;

}  // namespace interlock::detail
