// interlock/auditor.hpp: one module file at a time, again and again: for who needs a verdict at each import.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock {

/// An audit of single files whose process stays: audit() would fork one for each call. [any-thread]
class Auditor {
public:
    /// Forks the first process; best done early, while the program is small and has one thread. Of `options` only
    /// `pythons`, `details` and `budget` count. Throws Failure with io_error when there can be no process.
    IL_API explicit Auditor(AuditOptions options = {});
    IL_API ~Auditor();
    Auditor(const Auditor&) = delete;
    Auditor& operator=(const Auditor&) = delete;

    /// The module file at `path`, as it is imported under the dotted name `module` (empty: the one that the file is
    /// named after); a universal file has several slices. That its name keeps an interpreter from looking for it does
    /// not count: it is there. A manifest beside the file counts. Delegations are not
    /// resolved. Errors: not_found, unreadable, malformed_file, unsupported.
    IL_API Result<std::vector<BinaryAudit>> audit(const std::filesystem::path& path, std::string_view module);

    /// To be called first in the child of a fork(): the processes are the parent's.
    IL_API void after_fork_in_child() noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace interlock
