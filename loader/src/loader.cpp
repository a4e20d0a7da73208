// The Loader: its life, and its public functions in front of LoaderState (loader.hpp).
//
// SPDX-License-Identifier: MIT
#include <interlock/loader.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "known.hpp"
#include "linker_turn.hpp"
#include "loader_state.hpp"

namespace interlock {

namespace detail {

namespace {

std::atomic<LoaderState*> living{nullptr};

void add_folder(std::vector<std::filesystem::path>& folders, const std::filesystem::path& given) {
    std::error_code error;
    // The dynamic linker would search its own path for a name without a folder.
    const std::filesystem::path folder = given.empty() ? std::filesystem::path(".") : given;
    std::filesystem::path absolute = std::filesystem::absolute(folder, error);
    if (error) absolute = folder;
    absolute = absolute.lexically_normal();
    if (std::find(folders.begin(), folders.end(), absolute) == folders.end()) folders.push_back(std::move(absolute));
}

/// An empty variable counts as one that is not set.
const char* environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? nullptr : value;
}

std::vector<std::filesystem::path> effective_path(const LoaderOptions& options) {
    std::vector<std::filesystem::path> folders;
    for (const std::filesystem::path& folder : options.search_path) add_folder(folders, folder);
    const char* variable = options.use_environment ? environment("INTERLOCK_PATH") : nullptr;
    if (variable == nullptr) return folders;
    for (std::string_view rest = variable; !rest.empty();) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        if (colon != 0) add_folder(folders, rest.substr(0, colon));
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return folders;
}

}  // namespace

LoaderState::LoaderState(Loader& owner, Runtime& host_runtime, LoaderOptions given)
    : loader(owner), runtime(host_runtime), options(std::move(given)), search_path(effective_path(options)) {
    if (options.policy) filters = options.policy->warnings;
    filters.insert(filters.end(), options.filters.begin(), options.filters.end());
    LoaderState* nobody = nullptr;
    if (Runtime::current() != &runtime)
        throw Failure({Errc::wrong_state, "a Loader needs the Runtime that lives in this process"});
    if (!living.compare_exchange_strong(nobody, this))
        throw Failure({Errc::wrong_state, "a second interlock::Loader was created while one lives"});
    see_the_program();
    set_up_fork_hooks();
    if (runtime.options().on_stall) return;
    shows_stalls = true;
    runtime.set_on_stall([this](const StallReport& report) {
        const std::string module = report.holders.empty() ? std::string() : report.holders.front().module;
        issue({WarningCategory::stall, module, report.text(), {}});
    });
}

void LoaderState::see_the_program() {
    const Detached outside;
    const LinkerTurn turn;
    if (!LinkerTurn::lost().empty()) return;
    for (const LinkedObject& object : linked().all())
        if (!object.path.empty()) of_the_program.insert(object.path);
    if (!libraries->of_other_program.empty()) of_the_program.clear();
    for (const LibraryRef& library : libraries->of_other_program) of_the_program.insert(library->file.path);
}

LoaderState::~LoaderState() {
    if (shows_stalls) runtime.set_on_stall(nullptr);
    set_fork_hooks(nullptr);
    living.store(nullptr);
}

[[noreturn]] static void fatal_destruction(const ModuleRecord& record) {
    std::fprintf(stderr, "interlock: fatal: the Loader is destroyed from inside a call into module %s\n",
                 quoted(record.name).c_str());
    std::abort();
}

}  // namespace detail

Result<LoaderOptions> LoaderOptions::from_environment() {
    LoaderOptions options;
    options.policy_hint = "INTERLOCK_POLICY";
    if (const char* file = detail::environment("INTERLOCK_POLICY")) {
        Result<Policy> policy = load_policy(file);
        if (!policy) return Error{policy.error().code, "INTERLOCK_POLICY: " + policy.error().message};
        options.policy = std::move(*policy);
    }
    return options;
}

Loader::Loader(Runtime& runtime, LoaderOptions options)
    : runtime_(runtime), state_(std::make_unique<detail::LoaderState>(*this, runtime, std::move(options))) {
    detail::watch_for_exit_anew();
    if (!state_->options.policy) return;
    for (const Diagnostic& finding : state_->options.policy->findings) {
        const Warning warning = as_warning(finding);
        if (state_->action_for(warning.category, warning.module) == WarningAction::error)
            throw Failure(
                {Errc::warning_as_error, "a warning filter turns this warning into an error: " + finding.text()});
        state_->issue(warning);
    }
}

/// exit() inside a function of a module, or inside an import: nobody comes back from there.
static bool exit_inside_a_module() noexcept {
    return detail::exits_here() && (detail::own_imports() != nullptr || detail::own_slot()->site.load() != nullptr);
}

Loader::~Loader() {
    if (exit_inside_a_module()) {
        const CallSite* site = detail::own_slot()->site.load();
        const std::string where = site == nullptr
                                      ? "an import"
                                      : "function " + quoted(site->function, 80) + " of module " + quoted(site->module);
        std::fprintf(stderr, "interlock: exit() was called inside %s, so no module is torn down\n", where.c_str());
        static detail::LoaderState* for_good;  // referred to, so that leak checkers know
        for_good = state_.release();
        static_cast<void>(for_good);
        return;
    }
    {
        std::lock_guard guard(state_->mutex);
        state_->closing = true;
    }
    // A module goes before what it imports; the order of import gives that, but for circles.
    for (;;) {
        std::vector<Module> left = modules();
        if (left.empty()) break;
        bool progress = false;
        for (auto module = left.rbegin(); module != left.rend(); ++module)
            progress = unload(module->name()).ok() || progress;
        if (progress) continue;
        std::lock_guard guard(state_->mutex);
        for (auto& [name, record] : state_->loaded) {
            if (is_inside(*record)) detail::fatal_destruction(*record);
            record->uses.clear();
            record->package = nullptr;
            detail::KnownModules::forget(*record);
            std::lock_guard objects(record->objects);
            record->keeps.clear();
        }
    }
}

namespace {

/// Who imports, for warnings and reports.
std::string importer_text(const ImportOptions& options, const std::source_location& place) {
    if (!options.importer.empty()) return escape(options.importer, 1000);
    return escape(
        std::string(place.file_name()) + ":" + std::to_string(place.line()) + " (" + place.function_name() + ")", 1000);
}

}  // namespace

Result<Module> Loader::import(std::string_view name, const ImportOptions& options, std::source_location importer) {
    if (auto known = detail::KnownModules::find(detail::KnownModules::host, name)) return Module(std::move(known));
    auto record = state_->import(name, options, {importer_text(options, importer)});
    if (!record) return std::move(record).error();
    return Module(std::move(*record));
}

Result<Module> Loader::reload(std::string_view name, const ReloadOptions& options, std::source_location importer) {
    auto record = state_->reload(name, options, {importer_text(options.import, importer)});
    if (!record) return std::move(record).error();
    return Module(std::move(*record));
}

Outcome Loader::unload(std::string_view name, const UnloadOptions& options) {
    return state_->unload({&name, 1}, options);
}

Outcome Loader::unload(std::span<const std::string_view> names, const UnloadOptions& options) {
    return state_->unload(names, options);
}

Result<Module> Loader::find(std::string_view name) const {
    if (auto known = detail::KnownModules::find(detail::KnownModules::host, name)) return Module(std::move(known));
    std::lock_guard guard(state_->mutex);
    const auto entry = state_->loaded.find(name);
    if (entry == state_->loaded.end()) return Error{Errc::not_found, "module " + quoted(name) + " is not loaded"};
    return Module(entry->second);
}

std::vector<Module> Loader::modules() const {
    std::lock_guard guard(state_->mutex);
    std::vector<Module> modules;
    for (const auto& [order, past] : state_->history)
        if (past.live && past.live->loaded) modules.push_back(Module(past.live));
    return modules;
}

LoaderReport Loader::report() const {
    LoaderReport report;
    report.runtime = runtime_.stats();
    report.gil = runtime_.options().gil;
    std::lock_guard guard(state_->mutex);
    for (const auto& [order, past] : state_->history)
        report.modules.push_back(past.live ? state_->stats_of(*past.live) : past.final_stats);
    for (const auto& [id, event] : state_->fallbacks) report.fallbacks.push_back(event);
    report.warnings_issued = state_->warnings_issued;
    report.warnings_suppressed = state_->warnings_suppressed;
    return report;
}

const std::vector<std::filesystem::path>& Loader::search_path() const noexcept { return state_->search_path; }

Decision Module::decision() const {
    std::lock_guard guard(record_->objects);
    return record_->decision;
}

std::vector<std::string> Module::functions() const {
    std::vector<std::string> names;
    for (const auto& [name, function] : record_->by_name) names.push_back(name);
    return names;
}

Result<Function> Module::function(std::string_view name) const {
    if (!loaded())
        return Error{Errc::unloaded, "module " + quoted(record_->name) + " has been unloaded; import it again"};
    const auto entry = record_->by_name.find(name);
    if (entry != record_->by_name.end()) return Function(record_, entry->second);
    std::vector<std::string_view> known;
    for (const auto& [other, function] : record_->by_name) known.push_back(other);
    return Error{Errc::not_found, "module " + quoted(record_->name) + " has no function " + quoted(name, 80) +
                                      (known.empty() ? "" : "; " + did_you_mean(name, known))};
}

}  // namespace interlock
