// options.hpp: the options that every verb takes, and what they come to together with the environment and the
// defaults: each value with the place it came from.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <interlock/gil_option.hpp>
#include <interlock/policy.hpp>
#include <interlock/warning.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "output.hpp"

namespace interlock::cli {

/// The command line as it was written.
struct GlobalOptions {
    std::vector<std::string> x, filters, path, overrides;
    std::optional<std::string> policy, threads, switch_deadline, report;
    std::string warnings = "text", color = "auto";
    unsigned version = 0, verbose = 0;
    bool json = false, quiet = false, no_progress = false;
};
std::vector<Option> global_options(GlobalOptions& target);

template <typename T>
struct Sourced {
    T value;
    std::string source;  ///< "default", the name of an option or of an environment variable
};

/// What counts for this process.
struct Settings {
    GilOption gil;
    std::vector<Sourced<std::filesystem::path>> path;  ///< in order
    std::optional<Sourced<std::filesystem::path>> policy;
    Sourced<unsigned> threads;  ///< 0: one for each CPU
    std::optional<Sourced<std::chrono::milliseconds>> switch_deadline;
    std::vector<WarningFilter> filters;
    std::map<std::string, PolicyAction, std::less<>> overrides;
};

/// Reads the environment and checks everything, but no file. Throws UsageError, and CommandError for the gil option,
/// which is fatal as in CPython.
Settings resolve_settings(const GlobalOptions& options);

/// Handed to every verb.
struct Context {
    const GlobalOptions& options;
    const Settings& settings;
    Output& output;
};

/// For verbs that import nothing: throws UsageError when an option was given that is about importing.
void refuse_loader_options(const GlobalOptions& options);

/// To stderr, as text or as JSON. [any-thread]
void show_warning(const Context& context, const Warning& warning);

/// Reads and checks the policy; what there is to say about its file goes to stderr, by the warning filters. Throws
/// CommandError(exit_bad_policy).
std::optional<Policy> load_policy(const Context& context);

}  // namespace interlock::cli
