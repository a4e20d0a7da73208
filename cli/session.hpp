// session.hpp: the runtime and the loader that the settings ask for, and the report about them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <interlock/loader.hpp>
#include <interlock/runtime.hpp>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "call_guard.hpp"
#include "options.hpp"

namespace interlock::cli {

/// The file of --report: opened before the work, so that a wrong name is not found out after an hour of it.
class ReportFile {
public:
    /// Throws CommandError(exit_unreadable).
    explicit ReportFile(const std::optional<std::string>& path);
    ~ReportFile();
    ReportFile(const ReportFile&) = delete;
    ReportFile& operator=(const ReportFile&) = delete;
    /// Whether it may be written several times: a pipe gets the last report only.
    bool is_replaceable() const noexcept { return replaceable_; }
    /// Replaces what was written before.
    void write(std::string_view text);

private:
    std::string path_;
    int fd_ = -1;
    bool replaceable_ = false;
};

/// One at a time. Its end unloads all modules and writes the report, whatever happened in between.
class Session {
public:
    /// Throws CommandError.
    explicit Session(const Context& context) : Session(context, load_policy(context), {}, {}) {}
    /// `plans_for` as in LoaderOptions.
    Session(const Context& context, std::optional<Policy> policy, std::vector<std::filesystem::path> first_on_path,
            std::filesystem::path plans_for);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Runtime& runtime() noexcept { return *runtime_; }
    Loader& loader() noexcept { return *loader_; }
    RuntimeStats runtime_stats() const { return runtime_->stats(); }

    /// For verbs that run code of modules: from here on it is said which one ends the process, crashes it, or does not
    /// return. `timeout` is that of the option. Throws UsageError.
    void guard_calls(const std::optional<std::string>& timeout);

    /// Imports, and says with -v what came of it. `importer` is for the warnings. [any-thread]
    Result<Module> import(const std::string& name, const std::string& importer = "the command line");
    /// Error: as Loader::unload(). [any-thread]
    Outcome unload(const std::string& name);

    /// Calls into modules that are being made, for the report: it is written at the beginning of each, in case that
    /// there is no later. [any-thread]
    class Unfinished {
    public:
        Unfinished(Session& session, CallKind kind, std::string_view module, std::string_view function = {});
        ~Unfinished();
        Unfinished(const Unfinished&) = delete;
        Unfinished& operator=(const Unfinished&) = delete;

    private:
        Session& session_;
        std::list<Json>::iterator place_;
    };

    /// Writes the report and throws when that fails, which the destructor can only say.
    void finish();

private:
    void log(il_log_level level, std::string_view module, std::string_view text) const;
    void stalled(std::string module, std::string text) const;
    void write_unfinished();

    const Context& context_;
    std::optional<Policy> policy_;
    ReportFile report_;
    std::mutex unfinished_mutex_;
    std::list<Json> unfinished_;
    std::optional<CallGuard> guard_;  // outlives what runs code of modules
    std::optional<Runtime> runtime_;
    std::optional<Loader> loader_;
    bool finished_ = false;
};

/// --timeout SECONDS, for guard_calls().
Option timeout_option(std::optional<std::string>& target);

/// "MODULE.FUNCTION" of the command line.
struct FunctionName {
    /// Throws UsageError.
    explicit FunctionName(const std::string& full_name);
    std::string module, function;
};

/// Imports the module. Throws CommandError(exit_findings).
Function find_function(Session& session, const FunctionName& name);

/// {"code": "not_found", "message": "..."}
Json to_json(const Error& error);
/// The list of reasons: [{"source", "says", "decided", "text"}].
Json to_json(const std::vector<Reason>& why);

}  // namespace interlock::cli
