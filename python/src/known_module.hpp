// known_module.hpp: what the audit says of one module of one file, kept in memory and on disk, as running an init
// function in an emulator takes longer than an import.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "audit/extension_module.hpp"

namespace interlock::python {

struct KnownModule : auditing::ExtensionModule {
    std::string identity;  ///< of the file, as it was when it was read (identity_of)
};

/// Changes when the file does: device, inode, size and times. Empty when it cannot be looked at.
std::string identity_of(const std::filesystem::path& file);

/// Verdicts of this user's earlier runs, in files of his own, one for each module file. All is voluntary: what cannot
/// be read or written is judged anew. [any-thread]
class VerdictCache {
public:
    /// `folder` is empty to have none. What another build of interlock wrote is not taken: `auditor` is its identity.
    VerdictCache(std::filesystem::path folder, std::string auditor);
    /// Only when it was written for this module of this very file.
    std::optional<KnownModule> find(const std::string& module, const std::filesystem::path& file,
                                    const std::string& identity) const;
    void keep(const std::string& module, const std::filesystem::path& file, const KnownModule& known) const;

private:
    std::filesystem::path entry(const std::string& module, const std::filesystem::path& file) const;
    const std::filesystem::path folder_;
    const std::string auditor_;
};

/// ${XDG_CACHE_HOME:-~/.cache}/interlock/verdicts; empty when there is no such place, or INTERLOCK_VERDICT_CACHE=0.
std::filesystem::path default_verdict_folder();

}  // namespace interlock::python
