// decider.cpp: the memory in front of the audit: modules of this process, then those of earlier ones on disk.
//
// SPDX-License-Identifier: MIT
#include "decider.hpp"

#include <utility>

#include "module_audit.hpp"

namespace interlock::python {

namespace {

/// Another build may judge otherwise.
std::string identity_of_audit(PythonVersion python) {
    const std::filesystem::path file = file_of_audit();
    return python.text() + ' ' + file.string() + ' ' + identity_of(file);
}

}  // namespace

Decider::Decider(Settings settings)
    : settings_(std::move(settings)), cache_(settings_.verdict_folder, identity_of_audit(settings_.python)) {}

std::shared_ptr<const KnownModule> Decider::known(const std::string& module, const std::filesystem::path& file,
                                                  std::string& problem) {
    const std::pair key(file.string(), module);
    const std::string identity = identity_of(file);
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = known_.find(key); found != known_.end() && found->second->identity == identity)
            return found->second;
    }
    std::optional<KnownModule> found = cache_.find(module, file, identity);
    const bool is_new = !found;
    if (is_new) {
        Result<auditing::ExtensionModule> judged = audit_module(settings_.python, file, module);
        if (!judged) {
            problem = judged.error().message;
            return nullptr;
        }
        found = KnownModule{std::move(*judged), identity};
    }
    auto result = std::make_shared<const KnownModule>(std::move(*found));
    if (is_new) {
        // A file that was exchanged meanwhile is read again at the next import.
        if (identity.empty() || identity_of(file) != identity) return result;
        cache_.keep(module, file, *result);
    }
    const std::lock_guard lock(mutex_);
    known_.insert_or_assign(key, result);
    return result;
}

auditing::ImportDecision Decider::decide(const std::string& module, const std::optional<std::filesystem::path>& file) {
    std::string problem = "it is built into the program: there is no file to read";
    std::shared_ptr<const KnownModule> found = file ? known(module, *file, problem) : nullptr;
    return auditing::decide_import(settings_.imports, module, file, std::move(found), problem);
}

}  // namespace interlock::python
