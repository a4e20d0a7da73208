// regular_file.cpp: what is said of a module that is no regular file, or cannot be read.
//
// SPDX-License-Identifier: MIT
#include "base/regular_file.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <string>
#include <system_error>

#include <interlock/escape.hpp>

namespace interlock::base {
namespace {

Error wrong_kind(const std::filesystem::path& path, mode_t mode) {
    return {Errc::unreadable,
            quoted(path.native()) + " is " + kind_of_file(mode) + ": a module must be a regular file"};
}

Error system_error(const std::filesystem::path& path, int number) {
    if (number == ENOENT || number == ENOTDIR) return {Errc::not_found, "no such file: " + quoted(path.native())};
    // strerror() is not safe with threads; this is.
    return {Errc::unreadable, "cannot read " + quoted(path.native()) + ": " + std::generic_category().message(number)};
}

/// A path with a zero byte would name another file to the system than it does to us.
bool has_zero_byte(const std::filesystem::path& path) { return path.native().find('\0') != std::string::npos; }

Error zero_byte(const std::filesystem::path& path) {
    return {Errc::not_found, "no such file: " + quoted(path.native()) + " (a path cannot contain a zero byte)"};
}

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

FileIdentity identity_of(const struct stat& status) {
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size = static_cast<std::uint64_t>(status.st_size),
            .modified_ns = nanoseconds(status.st_mtim),
            .changed_ns = nanoseconds(status.st_ctim)};
}

}  // namespace

Result<RegularFile> RegularFile::open(const std::filesystem::path& path) {
    if (has_zero_byte(path)) return zero_byte(path);
    Opened opened = open_for_reading(path.c_str());
    if (!opened.descriptor) {
        struct stat status{};
        // A socket cannot be opened at all (ENXIO); say what it is, not "no such device".
        if (opened.error == ENXIO && ::stat(path.c_str(), &status) == 0) return wrong_kind(path, status.st_mode);
        return system_error(path, opened.error);
    }
    if (!opened.is_regular()) return wrong_kind(path, opened.status.st_mode);
    return RegularFile(std::move(opened.descriptor), identity_of(opened.status));
}

std::int64_t RegularFile::read(std::uint64_t offset, std::span<std::uint8_t> buffer) const noexcept {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const auto got =
            ::pread(descriptor(), buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -std::int64_t{errno};
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return static_cast<std::int64_t>(done);
}

FileIdentity RegularFile::present_identity() const noexcept {
    struct stat status{};
    return ::fstat(descriptor(), &status) == 0 ? identity_of(status) : FileIdentity{};
}

}  // namespace interlock::base

namespace interlock {

Result<FileIdentity> file_identity(const std::filesystem::path& path) {
    using namespace base;
    if (has_zero_byte(path)) return zero_byte(path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return system_error(path, errno);
    if (!S_ISREG(status.st_mode)) return wrong_kind(path, status.st_mode);
    return identity_of(status);
}

}  // namespace interlock
