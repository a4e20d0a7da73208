// regular_file.hpp: opens a file for reading without ever blocking on what is not a regular file, and says who it is.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include <interlock/file_identity.hpp>
#include <interlock/result.hpp>

#include "base/descriptor.hpp"

namespace interlock::base {

/// An open regular file that a module is, or may be. Movable; closes itself.
class RegularFile {
public:
    /// Errors: not_found, unreadable. Follows symbolic links. [any-thread]
    static Result<RegularFile> open(const std::filesystem::path& path);

    const FileIdentity& identity() const noexcept { return identity_; }
    /// What identity() would be if the file were opened now; all zero if the system does not say.
    FileIdentity present_identity() const noexcept;
    /// For who must map it; stays this object's own.
    int descriptor() const noexcept { return descriptor_.get(); }
    /// Fills `buffer` from `offset`; returns the number of bytes read, less than asked for at the end of the file, or
    /// a negative errno.
    std::int64_t read(std::uint64_t offset, std::span<std::uint8_t> buffer) const noexcept;

private:
    RegularFile(Descriptor descriptor, const FileIdentity& identity)
        : descriptor_(std::move(descriptor)), identity_(identity) {}

    Descriptor descriptor_;
    FileIdentity identity_;
};

}  // namespace interlock::base
