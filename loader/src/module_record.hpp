// What the loader keeps of a module, and of one call into it. Behind the opaque il_module, il_callable and il_call.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <boost/dll/shared_library.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <interlock/module.h>
#include <interlock/gate.hpp>
#include <interlock/handoff_lock.hpp>
#include <interlock/loader.hpp>
#include <interlock/marker.hpp>

struct il_handle;

namespace interlock::detail {

struct LoaderState;
struct ModuleRecord;
using EventId = std::uint64_t;  ///< of a FallbackEvent

/// A request for locked mode that an import has made. First the import's or unloading's (ImportLock), then the
/// module's: in the child of a fork somebody has to have it.
struct LockRequest {
    bool asked = false;            ///< it counts; set and cleared by Runtime, together with its count
    std::optional<EventId> event;  ///< in LoaderState::fallbacks
};

/// Bits of a gate. A global_lock module is just `open`: the mode is locked as long as it is loaded. Whether there is a
/// lock to take does not depend on the gate being open: who is inside already may still call, loop and destroy.
enum GateBits : std::uint32_t { gate_open = 1, gate_module_lock = 2 };

struct FunctionRecord {
    ModuleRecord* module = nullptr;
    il_function function = nullptr;
    const CallSite* site = nullptr;
    std::string name, doc;
};

/// A value that a module keeps between calls (il_retain).
struct KeptValue {
    Value value;
    Scope scope;
    std::vector<ModuleRecord*> owners;  ///< other modules, of buffers and handles in it
};

/// The versions of a module through its reloads: where calls go that come for an earlier one.
struct Lineage {
    std::weak_ptr<ModuleRecord> current;      ///< under process_mutex()
    std::atomic<std::uint32_t> under_way{0};  ///< 1: a reload is; wait for its end
};

struct ModuleRecord : std::enable_shared_from_this<ModuleRecord> {
    ModuleRecord(LoaderState& owner, std::string dotted_name);
    ~ModuleRecord();

    // Hot: read by every call.
    alignas(64) std::atomic<std::uint32_t> gate{0};
    std::size_t index;      ///< of its tallies
    void* state = nullptr;  ///< il_call::state
    HandoffLock lock;

    // Set before the gate opens, constant afterwards.
    LoaderState& loader;
    const std::uint64_t serial;  ///< 1, 2, ...: no record has had it before
    const std::string name;
    std::string version, doc;
    const il_module_def* def = nullptr;
    std::deque<FunctionRecord> functions;
    std::map<std::string, FunctionRecord*, std::less<>> by_name;
    ModuleFile file;
    boost::dll::shared_library library;
    bool legacy = false;
    /// Results may lie in static storage that the next call overwrites: they are copied before its lock is released.
    std::atomic<bool> copies_results{true};
    std::vector<std::string> imported_by;
    std::chrono::system_clock::time_point imported_at;
    const CallSite* own_site = nullptr;     ///< for work that is no function: exec, destructors
    const CallSite* thread_site = nullptr;  ///< for work of the module's own threads
    const CallSite* teardown_site = nullptr;
    const CallSite* destructor_site = nullptr;  ///< of objects in handles

    // Under LoaderState::mutex.
    bool loaded = false, mapped = false;
    bool known = false;  ///< to some thread (known.hpp), perhaps
    std::chrono::nanoseconds import_duration{};
    std::uint64_t loads = 0;                       ///< ModuleStats::loads
    LockRequest request;                           ///< it keeps the runtime locked
    std::uint64_t history_index = 0;               ///< in LoaderState::history
    std::set<std::shared_ptr<ModuleRecord>> uses;  ///< modules it has imported: it may keep their il_module
    std::shared_ptr<ModuleRecord> package;         ///< the one that its name is in, or null
    TallySum tally_base;                           ///< of the index's earlier users
    std::string lingering;                         ///< why its library stays mapped though it did not ask for that

    std::shared_ptr<Lineage> lineage;  ///< null as long as it is not reloaded. Under process_mutex()

    // A legacy init function that is running.
    bool in_init = false;
    std::optional<il_threading> stated_threading;

    // Of keep_for_good().
    std::shared_ptr<ModuleRecord> kept_by_itself;
    ModuleRecord* next_kept_record = nullptr;

    mutable std::mutex objects;  ///< guards what follows; never held while code of the module runs
    Decision decision;           ///< a legacy init function may change it
    std::vector<PulledLibrary> libraries;
    il_handle* handles = nullptr;
    std::unordered_map<std::uint32_t, std::unique_ptr<KeptValue>> kept;
    std::uint32_t next_kept = 1;
    std::multiset<const ModuleRecord*> keeps;  ///< the owners of all kept values: they are not unloaded before
};

/// The table of services that every module gets.
extern const il_host host_table;

inline ModuleRecord& record_of(il_module* module) noexcept { return *reinterpret_cast<ModuleRecord*>(module); }
inline il_module* opaque(ModuleRecord& record) noexcept { return reinterpret_cast<il_module*>(&record); }

/// One call into a module, on the stack of the thread that makes it. Every call fills one in, so it is small.
struct Invocation : il_call {
    Invocation(ModuleRecord& module_record, ThreadSlot* thread, Scope& results) noexcept
        : il_call{&host_table, module_record.state, opaque(module_record)},
          slot(thread),
          scope(&results),
          outer(static_cast<const Invocation*>(thread->loader_frame)) {}
    Invocation(const Invocation&) = delete;
    Invocation& operator=(const Invocation&) = delete;

    ModuleRecord& record() const noexcept { return record_of(module); }
    /// What the thread runs: this call, as long as it is the innermost one.
    const CallSite& site() const noexcept { return *slot->site.load(std::memory_order_relaxed); }

    ThreadSlot* slot;
    Scope* scope;
    const Invocation* outer;  ///< that this one is beneath; in a chunk of a loop, of the thread that began the loop
    std::uint32_t is_detached = 0;  ///< a truth value, so wide that it is set and looked at together with the next one
    std::uint32_t open_scopes = 0;  ///< of il_scope_begin
    union {
        Suspended detached;  ///< only while is_detached; not initialised before
    };
    il_scope* innermost;  ///< only while open_scopes is not 0
};

inline Invocation& invocation(il_call* call) noexcept { return *static_cast<Invocation*>(call); }

/// il_scope_begin and il_scope_end of the innermost one; null if there is no memory.
il_scope* open_scope(Invocation& call) noexcept;
void close_scope(Invocation& call) noexcept;

/// LoaderOptions::value_limits, for code that knows no more of a loader.
const ValueLimits& value_limits(const ModuleRecord& record) noexcept;

/// Checks a definition and fills the record from it. The messages do not name the module.
Outcome adopt_definition(ModuleRecord& record, const il_module_def* def);

/// A module broke a rule from which there is no way on: says who and what, and aborts.
[[noreturn]] void fatal_misuse(const Invocation& call, std::string_view what) noexcept;

/// Keeps a record, and with it the library, until the process ends: what it owns may still be in use. It stays referred
/// to, so that leak checkers know. Without a lock, as the child of a fork uses it, too, and without memory.
void keep_for_good(const std::shared_ptr<ModuleRecord>& record) noexcept;

/// Interned and never freed, as threads that report a stall read it at any time.
const CallSite* call_site(std::string_view module, std::string_view function);

/// Guards what belongs to the process and not to a Loader: tally indices, call sites, libraries that stayed mapped. For
/// a few instructions at a time; a fork takes it.
std::mutex& process_mutex() noexcept;

/// Calls a function of a module through its gate. [any-thread]
il_status invoke(FunctionRecord& function, Scope& scope, const il_value* args, std::size_t nargs, il_value& result);

/// For a call that came too late for its module: the function that has taken its place in a reload. Waits for a reload
/// that is under way. Null if there is none; the scope then has the error. `keeps` keeps it alive.
FunctionRecord* follow(FunctionRecord& late, std::shared_ptr<ModuleRecord>& keeps, Scope& scope);

enum class GateCheck : std::uint8_t {
    closed_is_error,  ///< a new visitor
    already_inside,   ///< work of somebody who is inside, or of the unloader: a closed gate does not stop it
};
/// Runs `body` inside the gate of a module: attached, under the module's lock if it has one. Errors as invoke().
il_status through_gate(ModuleRecord& record, const CallSite* site, Scope& scope, GateCheck check,
                       il_status (*body)(Invocation&, void*), void* context);
template <typename Body>
il_status through_gate(ModuleRecord& record, const CallSite* site, Scope& scope, GateCheck check, Body&& body) {
    return through_gate(
        record, site, scope, check,
        [](Invocation& call, void* context) -> il_status {
            return (*static_cast<std::remove_reference_t<Body>*>(context))(call);
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

/// Destroys all objects in handles of a module, and waits for the destructors that other threads have begun; the
/// references stay, dead. Nobody is inside.
void destroy_handles(ModuleRecord& record);

/// Whether something else than this file is mapped under its path, so that the dynamic linker would answer with that:
/// an earlier version, or the file as it was before it was rewritten. `descriptor` is open on the file. Detached.
bool another_is_mapped(const ModuleFile& file, int descriptor);
/// Maps the library of `record`, whose constructors run; why the dynamic linker refuses, if it does. Detached.
std::optional<std::string> map(ModuleRecord& record);
/// Unmaps the library if nothing speaks against it. True if it is mapped all the same, which is kept in mind. Detached.
bool unmap(ModuleRecord& record);

/// Whether the calling thread is inside a module, or runs a chunk of a loop for one that is.
bool is_inside(const ModuleRecord& record);

}  // namespace interlock::detail
