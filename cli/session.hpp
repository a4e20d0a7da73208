// session.hpp: the runtime and the loader that the settings ask for, and the report about them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <interlock/loader.hpp>
#include <interlock/runtime.hpp>
#include <optional>
#include <string>
#include <vector>

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
    /// Replaces what was written before.
    void write(const std::string& text);

private:
    std::string path_;
    int fd_ = -1;
};

/// One at a time. Its end unloads all modules and writes the report, whatever happened in between.
class Session {
public:
    /// Throws CommandError.
    explicit Session(const Context& context) : Session(context, load_policy(context), {}) {}
    Session(const Context& context, std::optional<Policy> policy, std::vector<std::filesystem::path> first_on_path);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Runtime& runtime() noexcept { return *runtime_; }
    Loader& loader() noexcept { return *loader_; }
    RuntimeStats runtime_stats() const { return runtime_->stats(); }

    /// Imports, and says with -v what came of it. `importer` is for the warnings. [any-thread]
    Result<Module> import(const std::string& name, const std::string& importer = "the command line");

    /// Writes the report and throws when that fails, which the destructor can only say.
    void finish();

private:
    void log(il_log_level level, std::string_view module, std::string_view text) const;
    void stalled(const StallReport& report) const;

    const Context& context_;
    std::optional<Policy> policy_;
    ReportFile report_;
    std::optional<Runtime> runtime_;
    std::optional<Loader> loader_;
    bool finished_ = false;
};

/// {"code": "not_found", "message": "..."}
Json to_json(const Error& error);
/// The list of reasons: [{"source", "says", "decided", "text"}].
Json to_json(const std::vector<Reason>& why);

}  // namespace interlock::cli
