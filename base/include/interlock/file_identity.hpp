// interlock/file_identity.hpp: how a file is known again: by where it is, how large it is, and when it changed.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

#include <interlock/export.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// Identity of a file at the moment it was read; two equal ones mean that the file was not replaced or rewritten. To
/// give it another name or other permissions changes it, too.
struct FileIdentity {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0;  ///< since the epoch
    std::int64_t changed_ns = 0;   ///< the same of the inode, which nobody can set back
    bool operator==(const FileIdentity&) const = default;
};

/// The present identity of a file, for comparing. Errors: not_found, unreadable. [any-thread]
IL_API Result<FileIdentity> file_identity(const std::filesystem::path& path);

}  // namespace interlock
