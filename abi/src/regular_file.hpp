// regular_file.hpp: opens a file for reading without ever blocking on what is not a regular file, and says who it is.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include <interlock/marker.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// An open regular file. Movable; closes itself.
class RegularFile {
public:
    /// Errors: not_found, unreadable. Follows symbolic links. [any-thread]
    static Result<RegularFile> open(const std::filesystem::path& path);

    RegularFile(RegularFile&& other) noexcept : fd_(other.fd_), identity_(other.identity_) { other.fd_ = -1; }
    RegularFile& operator=(RegularFile&&) = delete;
    ~RegularFile();

    const FileIdentity& identity() const noexcept { return identity_; }
    /// What identity() would be if the file were opened now; all zero if the system does not say.
    FileIdentity present_identity() const noexcept;
    /// For who must map it; stays this object's own.
    int descriptor() const noexcept { return fd_; }
    /// Fills `buffer` from `offset`; returns the number of bytes read, less than asked for at the end of the file, or
    /// a negative errno.
    std::int64_t read(std::uint64_t offset, std::span<std::uint8_t> buffer) const noexcept;

private:
    RegularFile(int fd, const FileIdentity& identity) : fd_(fd), identity_(identity) {}

    int fd_;
    FileIdentity identity_;
};

}  // namespace interlock
