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

#include "module_record.hpp"

namespace interlock::detail {

/// The import, or unloading, of one module that is under way: the module's import lock.
struct Passage {
    std::string name;
    std::shared_ptr<ModuleRecord> partial;  ///< as soon as it can be handed out in a circular import
    bool done = false;
    bool unloading = false;
    std::optional<std::size_t> fallback;  ///< it has asked for locked mode: the event, until a module takes it over
    std::optional<Error> error;
    std::shared_ptr<ModuleRecord> result;
};

/// The imports that a thread is in the middle of, innermost first; handed on to threads that work for it.
struct ImportFrame {
    Passage* passage;
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
    std::condition_variable passage_done;
    std::map<std::string, std::shared_ptr<ModuleRecord>, std::less<>> loaded;
    /// Every module that was loaded, in order; of unloaded ones only the figures are left.
    struct Past {
        std::shared_ptr<ModuleRecord> live;
        ModuleStats final_stats;
    };
    std::vector<Past> history;
    std::map<std::string, std::shared_ptr<Passage>, std::less<>> passages;
    struct Waiter {
        ImportFrame* chain;
        Passage* target;
    };
    std::list<Waiter> waiters;
    std::vector<FallbackEvent> fallbacks;
    std::set<std::pair<WarningCategory, std::string>> warned;
    std::uint64_t warnings_issued = 0, warnings_suppressed = 0;

    ForkHooks fork_hooks;
    bool shows_stalls = false;  ///< the runtime's reports of stalls come here
    void forget_other_threads();  ///< in the child of a fork

    // import.cpp
    Result<std::shared_ptr<ModuleRecord>> import(std::string_view name, const ImportOptions& import_options,
                                                 std::vector<std::string> imported_by);
    // find.cpp
    Result<std::filesystem::path> locate(std::string_view name) const;
    /// Whether `name` is a folder on the search path that is no module itself (a namespace package).
    bool is_namespace(std::string_view name) const;
    // decide.cpp
    struct Judged {
        Decision decision;
        MarkerState marker = MarkerState::unmarked;
        std::vector<Warning> warnings;  ///< beside the fallback's
    };
    Result<Judged> decide(std::string_view name, const ModuleFile& file,
                          const std::optional<PolicyAction>& override_) const;
    /// Whether the runtime leaves parallel mode for a module with this decision.
    bool needs_lock(const Decision& decision) const noexcept;
    // fallback_warning.cpp
    Warning fallback_warning(std::string_view name, const ModuleFile& file, const Decision& decision,
                             const std::vector<std::string>& imported_by,
                             const std::optional<SwitchReport>& switched) const;
    // warnings.cpp
    WarningAction action_for(const Warning& warning) const;
    /// Shows it unless a filter or an earlier one like it says no. Not for actions that are errors.
    void issue(const Warning& warning);
    /// Takes back the hold on locked mode that a passage or a module has, and closes its event.
    void give_back_lock(const std::optional<std::size_t>& event, std::string outcome);
    // report.cpp
    ModuleStats stats_of(const ModuleRecord& record) const;  ///< under mutex
    // unload.cpp
    Outcome unload(std::string_view name, const UnloadOptions& unload_options);
    /// Closes the gate and waits until nobody is inside. False, and the gate is still closed, after `timeout`. The
    /// caller is detached and not inside.
    static bool close_gate(ModuleRecord& record, std::optional<std::chrono::milliseconds> timeout);
    /// Behind a closed gate: destroys what the module made, and unmaps it.
    static void take_down(ModuleRecord& record, bool run_teardown);
    /// Whether waiting for `target` would never end, as it waits for something in `chain`. Under mutex.
    bool would_deadlock(const ImportFrame* chain, const Passage* target) const;
    /// Waits for another thread's passage. The caller is detached, holds the mutex by `guard`, and has asked
    /// would_deadlock().
    void wait_for(std::unique_lock<std::mutex>& guard, ImportFrame* chain, const std::shared_ptr<Passage>& passage);
    void finish_passage(const std::shared_ptr<Passage>& passage);
    bool in_own_import(const Passage* passage) const noexcept;
};

/// Validates a dotted name: components are identifiers of at most 200 bytes, 1000 bytes in total.
Outcome check_name(std::string_view name);
std::string_view last_component(std::string_view name) noexcept;
/// "a.b.c" -> "a.b"; "" for a top-level name.
std::string_view parent_of(std::string_view name) noexcept;

/// The chain of importers for an import that code of a module asks for.
std::vector<std::string> importers(const ModuleRecord& record, const CallSite& site);

}  // namespace interlock::detail
