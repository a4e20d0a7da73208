// interlock/loader.hpp: imports native modules into the runtime, and calls their functions through gates.
//
//     interlock::Runtime runtime;
//     interlock::Loader loader(runtime, {.search_path = {"plugins"}});
//     auto textkit = loader.import("textkit").value();
//     auto count = textkit.function("count").value();
//     std::cout << count({"some text"}).value().to_json() << '\n';
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/decision.hpp>
#include <interlock/export.hpp>
#include <interlock/gate.hpp>
#include <interlock/library.hpp>
#include <interlock/marker.hpp>
#include <interlock/policy.hpp>
#include <interlock/result.hpp>
#include <interlock/runtime.hpp>
#include <interlock/value.hpp>
#include <interlock/warning.hpp>

namespace interlock {

class Loader;
template <typename Signature>
class TypedFunction;
namespace detail {
struct ModuleRecord;
struct FunctionRecord;
struct LoaderState;
/// What became of a result on its way to a C++ type.
enum class Taken : std::uint8_t { yes, wrong_type, out_of_range, malformed };
}  // namespace detail

/// A function of a loaded module. Copyable; keeps working, with an error, after the module has been unloaded. After a
/// Loader::reload() it stands for the function in the new version; finding that costs each call 0.1 microseconds, so
/// get it anew where that matters.
class Function {
public:
    IL_API const std::string& name() const noexcept;
    IL_API const std::string& doc() const noexcept;

    /// Calls through the module's gate. The result and what it points to belong to `scope` until its reset(); of a
    /// `free` module, what lies in its own static storage lives only as long as it is loaded. On an error,
    /// scope.error_message() says what happened. `result` must not be one of `args`. The quick form: for a `free`
    /// module in parallel mode it adds to a direct call about what an uncontended std::mutex adds. [any-thread]
    IL_API il_status call(Scope& scope, std::span<const il_value> args, il_value& result) const;

    /// The convenient form: copies arguments and result. Errors: call_failed, unloaded, invalid_argument.
    /// [any-thread]
    IL_API Result<Value> operator()(std::span<const Value> args) const;
    Result<Value> operator()(std::initializer_list<Value> args) const {
        return (*this)(std::span(args.begin(), args.size()));
    }

private:
    friend class Module;
    template <typename Signature>
    friend class TypedFunction;
    /// As call(), and gives the result, with LoaderOptions::value_limits, to `take` while nobody can unload the module
    /// or write over the result.
    IL_API il_status call_and_take(Scope& scope, std::span<const il_value> args,
                                   void (*take)(void* context, const il_value& result, const ValueLimits& limits),
                                   void* context) const;
    /// The Error of a call that has failed, of the `number`th argument, of a result that is not what was asked for.
    IL_API Error call_error(const Scope& scope, il_status status) const;
    IL_API Error argument_error(const Scope& scope, std::size_t number) const;
    IL_API Error result_error(detail::Taken taken, il_type type, const char* wanted, const std::string& why) const;

    Function(std::shared_ptr<detail::ModuleRecord> module, detail::FunctionRecord* function) noexcept
        : module_(std::move(module)), function_(function) {}
    std::shared_ptr<detail::ModuleRecord> module_;
    detail::FunctionRecord* function_;
};

/// A loaded module; copyable. [any-thread]
class Module {
public:
    IL_API const std::string& name() const noexcept;  ///< full dotted name
    IL_API const std::filesystem::path& file() const noexcept;
    IL_API const std::string& version() const noexcept;
    IL_API const std::string& doc() const noexcept;
    IL_API ThreadingLevel level() const noexcept;  ///< as decided
    IL_API Decision decision() const;
    IL_API bool loaded() const noexcept;                ///< false after unload()
    IL_API std::vector<std::string> functions() const;  ///< names, sorted
    /// Errors: not_found (with a suggestion), unloaded.
    IL_API Result<Function> function(std::string_view name) const;
    /// The same with a C++ signature, `function<std::int64_t(std::int64_t)>("square")`: see typed_function.hpp.
    template <typename Signature>
    Result<TypedFunction<Signature>> function(std::string_view name) const;

private:
    friend class Loader;
    explicit Module(std::shared_ptr<detail::ModuleRecord> record) noexcept : record_(std::move(record)) {}
    std::shared_ptr<detail::ModuleRecord> record_;
};

struct LoaderOptions {
    std::vector<std::filesystem::path> search_path = {};  ///< in order; relative ones count from the working directory
    bool use_environment = true;                          ///< append the folders of INTERLOCK_PATH (separated by ':')
    std::optional<Policy> policy = {};
    std::map<std::string, PolicyAction, std::less<>> overrides = {};  ///< by full name; over everything else
    std::vector<WarningFilter> filters = {};  ///< as -W; over those of the policy; the last match decides
    /// The warning of a fallback begins with CPython's line, which names Python's options, for tools that look for it.
    bool python_wording = false;
    /// How a user gives this program a policy, for the advice in warnings: "--policy". Empty: they do not say.
    std::string policy_hint = {};
    /// Gets the warnings, on any thread, detached, with no lock held; empty: text to stderr. For the category `stall`
    /// it must not attach, as a switch is under way. If the runtime has an on_stall of its own, stalls go there
    /// instead. What these callbacks throw is dropped, and the text goes to stderr; they have to return, as
    /// RuntimeOptions::on_stall.
    std::function<void(const Warning&)> on_warning = {};
    std::function<void(il_log_level, std::string_view module, std::string_view text)> on_log = {};  ///< empty: stderr
    std::optional<std::chrono::milliseconds> switch_deadline = {};  ///< for the switch of an import; empty: wait
    /// The program that plan() speaks of, if it is another one that will import the modules: what that one is linked to
    /// counts as loaded, and not what is loaded here. Empty: this one.
    std::filesystem::path plans_for = {};
    ValueLimits value_limits = {};  ///< of one result, or one value that a module keeps

    /// What the user asks for in the environment, the rest as by default: the folders of INTERLOCK_PATH, which stay
    /// behind those that the program adds, and the policy file that INTERLOCK_POLICY names. Errors: of load_policy().
    /// [any-thread], while nobody changes the environment
    IL_API static Result<LoaderOptions> from_environment();
};

struct ImportOptions {
    std::optional<PolicyAction> threading = {};                     ///< an override for this import
    std::optional<std::chrono::milliseconds> switch_deadline = {};  ///< over the loader's
    std::string importer = {};  ///< what to name as importer instead of the source line, e.g. "command line"
};

/// What kind of entry point a file offers for a module.
enum class EntryKind : std::uint8_t { none, export_, legacy_init };

/// What an import would do.
struct Plan {
    std::string module;
    std::filesystem::path file;
    std::string build_id;
    EntryKind entry = EntryKind::none;
    MarkerState marker = MarkerState::unmarked;
    Decision decision;
    bool would_fall_back = false;  ///< switch the runtime, as it is now, to locked mode
    bool already_loaded = false;
    std::vector<PulledLibrary> libraries;  ///< in the order of the dynamic linker; see docs/policies.md
    std::vector<Warning> warnings;         ///< that the import would issue, filters not applied
    std::optional<Error> error;            ///< the import would fail: refused, malformed, no entry point, ...
};

/// Of one module, for reports. Times in nanoseconds; the time inside is an estimate from every 256th call, but for the
/// first 256 calls of each thread through a lock, which are measured.
struct ModuleStats {
    std::string module;
    std::filesystem::path file;
    std::string version, build_id;
    Decision decision;
    std::vector<PulledLibrary> libraries;  ///< that the dynamic linker pulled in, or found there
    std::uint64_t loads = 0;  ///< the how-manieth time that a module of this name was loaded: 1 for the first
    bool loaded = false;
    bool mapped = false;                   ///< an unloaded library that cannot be unmapped safely stays mapped
    std::vector<std::string> imported_by;  ///< chain, innermost first; the last one is a source line of the host
    std::chrono::system_clock::time_point imported_at;
    std::chrono::nanoseconds import_duration{};
    std::uint64_t calls_none = 0, calls_module_lock = 0, calls_global_lock = 0;
    std::uint64_t ns_inside = 0, ns_waiting = 0;
};

/// One stay in locked mode that an import caused or prolonged.
struct FallbackEvent {
    std::string module;
    std::vector<std::string> imported_by;
    std::chrono::system_clock::time_point at;
    bool switched = false;  ///< false: the runtime was locked already
    std::chrono::nanoseconds switch_duration{};
    std::optional<std::chrono::system_clock::time_point> ended;  ///< when this module no longer asked for it
    std::string outcome;  ///< "loaded", "declared free in init", "import failed", "unloaded"
};

struct LoaderReport {
    RuntimeStats runtime;
    GilSetting gil = GilSetting::automatic;
    std::vector<ModuleStats> modules;      ///< in order of import; unloaded ones too, each name's last time
    std::vector<FallbackEvent> fallbacks;  ///< in order; of those that are over, the last thousand
    std::uint64_t warnings_issued = 0, warnings_suppressed = 0;
    IL_API std::string to_json() const;  ///< an object with "schema_version": 1, ends with a newline
};

struct UnloadOptions {
    /// To wait for other imports and unloadings of the module, for calls inside, and for the global lock, until there
    /// is no way back: teardown and the destructors of the library take as long as they take. Empty, or more than a
    /// year: no limit.
    std::optional<std::chrono::milliseconds> timeout = {};
};

struct ReloadOptions {
    UnloadOptions unload = {};
    ImportOptions import = {};
};

/// Loads modules. Belongs to one Runtime, which must outlive it; the destructor unloads everything, last import first.
class Loader {
public:
    /// Warns of what load_policy() found in the policy. Throws Failure: wrong_state when `runtime` is not the one that
    /// lives, or already has a loader; warning_as_error when a filter makes such a warning an error.
    IL_API explicit Loader(Runtime& runtime, LoaderOptions options = {});
    IL_API ~Loader();
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;

    /// Imports a module by its dotted name, its packages first; at once if it is loaded. In a circular import the
    /// module may be one whose exec has not finished. The order of events is in docs/design.md. Errors: any Errc that
    /// an import can meet; the module is then not loaded, and the mode is what it was. [any-thread]
    IL_API Result<Module> import(std::string_view name, const ImportOptions& options = {},
                                 std::source_location importer = std::source_location::current());

    /// What import() would do now, mapping nothing. Errors: invalid_name, not_found; everything that would go wrong
    /// later is in Plan::error. [any-thread]
    IL_API Result<Plan> plan(std::string_view name, const ImportOptions& options = {}) const;

    /// Waits until nobody is inside, tears the module down and unmaps it; when it was the last one that needs the
    /// global lock the runtime goes back to parallel. A library that cannot be unmapped safely stays mapped, dead; if
    /// threads, handlers of signals or destructors of thread-specific data may still run its code there is a warning.
    /// Calls into the module, calls that use a buffer or object of it as an argument, and Pinned values are waited for.
    /// Values of the host are not: what they hold of the module is dead afterwards.
    /// Errors: not_found; in_use (another module imported it, or imports it at this moment, or keeps a buffer or object
    /// of it; the caller is inside, or uses what belongs to it; or timeout). [any-thread]
    IL_API Outcome unload(std::string_view name, const UnloadOptions& options = {});
    /// The same for several modules, all of them or none, which may have imported each other: by themselves those of a
    /// circle are in use for ever. They are torn down in the order given. In its teardown a module must not touch
    /// buffers that it keeps of one that went before it.
    IL_API Outcome unload(std::span<const std::string_view> names, const UnloadOptions& options = {});
    Outcome unload(std::initializer_list<std::string_view> names, const UnloadOptions& options = {}) {
        return unload(std::span(names.begin(), names.size()), options);
    }

    /// Replaces a loaded module by what its file is now: unloads it and imports it. Calls under way finish in the old
    /// version; those that come meanwhile wait for the new one. Function objects of earlier versions go on to it if it
    /// has a function of that name and signature (first line of the documentation); others, and all of them when the
    /// import has failed, answer with `unloaded`, until a later reload() has what they need. A file that plan() finds
    /// fault with changes nothing. Errors: not_found; in_use as for unload(), or as another thread reloads it: the old
    /// version stays. Any error of an import: nothing is loaded then but for errors that plan() knows. [any-thread]
    IL_API Result<Module> reload(std::string_view name, const ReloadOptions& options = {},
                                 std::source_location importer = std::source_location::current());

    /// A loaded module, without importing. Error: not_found.
    IL_API Result<Module> find(std::string_view name) const;
    IL_API std::vector<Module> modules() const;  ///< loaded ones, in order of import
    IL_API LoaderReport report() const;
    IL_API const std::vector<std::filesystem::path>& search_path() const noexcept;
    Runtime& runtime() const noexcept { return runtime_; }

private:
    Runtime& runtime_;
    std::unique_ptr<detail::LoaderState> state_;
};

}  // namespace interlock

#include <interlock/typed_function.hpp>  // IWYU pragma: export
