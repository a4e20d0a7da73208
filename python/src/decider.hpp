// decider.hpp: what becomes of one import of an extension module, decided before its library is mapped
// (cpython_import.hpp), with a memory of what is known of modules.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "audit/cpython_import.hpp"
#include "known_module.hpp"

namespace interlock::python {

struct Settings {
    PythonVersion python;
    auditing::ImportSettings imports{};
    std::filesystem::path verdict_folder = default_verdict_folder();
};

/// [any-thread]
class Decider {
public:
    explicit Decider(Settings settings);

    /// `module` is the dotted name. Never throws for what is in the file. One that no cache knows forks.
    /// Without a file the module is built into the program. Delegations are not followed.
    auditing::ImportDecision decide(const std::string& module, const std::optional<std::filesystem::path>& file);
    /// Around a fork(): what another thread does here is whole in the child.
    void before_fork() { mutex_.lock(); }
    void after_fork() { mutex_.unlock(); }

private:
    std::shared_ptr<const KnownModule> known(const std::string& module, const std::filesystem::path& file,
                                             std::string& problem);

    const Settings settings_;
    const VerdictCache cache_;
    std::mutex mutex_;  ///< guards what follows; held for moments only
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const KnownModule>> known_;  ///< by file and module
};

}  // namespace interlock::python
