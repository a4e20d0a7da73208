// decision.hpp: what becomes of one import of an extension module, decided before its library is mapped.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>
#include <interlock/policy.hpp>

#include "known_module.hpp"

namespace interlock::python {

enum class Action : std::uint8_t {
    free,         ///< the GIL stays as it is
    global_lock,  ///< the GIL comes on before the library is mapped
    refuse,       ///< the import fails
    interpreter,  ///< not known: CPython decides, as it would without interlock
};
std::string_view action_name(Action action) noexcept;  ///< "free", "global_lock", "refuse", "interpreter"

/// What one source said; `says` is empty when it has no say.
struct Reason {
    std::string source;  ///< "abi", "override", "policy", "marker", "default"
    std::string says, text;
    bool decided = false;
};

struct Decision {
    Action action = Action::interpreter;
    std::string decided_by;
    std::vector<Reason> why;
    /// The module that an import of the file finds; null when nothing is known of it.
    std::shared_ptr<const KnownModule> module;
};

struct Settings {
    PythonVersion python;
    std::optional<Policy> policy;
    std::map<std::string, PolicyAction> overrides;  ///< by module
    std::filesystem::path verdict_folder = default_verdict_folder();
};

/// Reads a policy for a host of CPython. Throws Failure: invalid_policy also for what CPython cannot do (module_lock).
Policy policy_for_cpython(const std::filesystem::path& file);
/// As --override: "a.b=free". Throws Failure with invalid_option.
std::pair<std::string, PolicyAction> override_from_text(std::string_view text);

/// [any-thread]
class Decider {
public:
    explicit Decider(Settings settings);

    /// `module` is the dotted name. Never throws for what is in the file. One that no cache knows forks.
    /// Without a file the module is built into the program.
    Decision decide(const std::string& module, const std::optional<std::filesystem::path>& file);
    /// Around a fork(): what another thread does here is whole in the child.
    void before_fork() { mutex_.lock(); }
    void after_fork() { mutex_.unlock(); }

private:
    std::shared_ptr<const KnownModule> known(const std::string& module, const std::filesystem::path& file,
                                             std::string& problem);
    std::optional<KnownModule> judged(const std::string& module, const std::filesystem::path& file,
                                      std::string& problem);

    const Settings settings_;
    const VerdictCache cache_;
    std::mutex mutex_;  ///< guards what follows; held for moments only
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const KnownModule>> known_;  ///< by file and module
};

}  // namespace interlock::python
