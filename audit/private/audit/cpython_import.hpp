// cpython_import.hpp: what becomes of one import of an extension module by CPython: the facts for the decision
// (decide() in manifests/), from the policy and what an audit says of the file. For the host of CPython, at each
// import, and for `interlock plan`, before.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <interlock/decision.hpp>
#include <interlock/policy.hpp>

#include "audit/extension_module.hpp"

namespace interlock::auditing {

struct ImportSettings {
    std::optional<Policy> policy;
    std::map<std::string, PolicyAction> overrides;  ///< by module
};

/// Reads a policy for a host of CPython. Throws Failure: invalid_policy also for what CPython cannot do (module_lock).
Policy policy_for_cpython(const std::filesystem::path& file);
/// As --override: "a.b=free". Throws Failure with invalid_option.
std::pair<std::string, PolicyAction> override_from_text(std::string_view text);

struct ImportDecision : Decision {
    /// The module that an import of the file finds; null when nothing is known of it.
    std::shared_ptr<const ExtensionModule> module;
};

/// `module` is the dotted name; without a file it is built into the program. Without `found` nothing is known of it,
/// and `problem` says why. [any-thread]
ImportDecision decide_import(const ImportSettings& settings, const std::string& module,
                             const std::optional<std::filesystem::path>& file,
                             std::shared_ptr<const ExtensionModule> found, const std::string& problem);

/// The module that makes another one, and what is decided about it by itself.
struct MakerModule {
    std::string name;  ///< for people, escaped
    ImportDecision decision;
};
/// Finds it by its dotted name. What it throws leaves follow_delegation().
using FindMaker = std::function<std::optional<MakerModule>(const std::string& name)>;

/// Where others make the module, and CPython would decide: changes the decision to that about the one at the end of the
/// way, if there is one.
void follow_delegation(ImportDecision& decision, const FindMaker& find);

}  // namespace interlock::auditing
