// regular_file.cpp: see regular_file.hpp. A FIFO, a device or a socket in a module directory must give an error at
// once: hence O_NONBLOCK, and the type is checked on the descriptor, so that no exchange of the file can slip between.
//
// SPDX-License-Identifier: MIT
#include "regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <string>
#include <system_error>

#include <interlock/escape.hpp>

namespace interlock {
namespace {

const char* kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    return "not a regular file";
}

Error wrong_kind(const std::filesystem::path& path, mode_t mode) {
    return {Errc::unreadable, quoted(path.native()) + " is " + kind_of(mode) + ": a module must be a regular file"};
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
    int fd = -1;
    do {
        fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    struct stat status{};
    if (fd < 0) {
        const int number = errno;
        // A socket cannot be opened at all (ENXIO); say what it is, not "no such device".
        if (number == ENXIO && ::stat(path.c_str(), &status) == 0) return wrong_kind(path, status.st_mode);
        return system_error(path, number);
    }
    RegularFile file(fd, {});
    if (::fstat(fd, &status) != 0) return system_error(path, errno);
    if (!S_ISREG(status.st_mode)) return wrong_kind(path, status.st_mode);
    file.identity_ = identity_of(status);
    return file;
}

RegularFile::~RegularFile() {
    if (fd_ >= 0) ::close(fd_);
}

std::int64_t RegularFile::read(std::uint64_t offset, std::span<std::uint8_t> buffer) const noexcept {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const auto got = ::pread(fd_, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -std::int64_t{errno};
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return static_cast<std::int64_t>(done);
}

FileIdentity RegularFile::present_identity() const noexcept {
    struct stat status{};
    return ::fstat(fd_, &status) == 0 ? identity_of(status) : FileIdentity{};
}

Result<FileIdentity> file_identity(const std::filesystem::path& path) {
    if (has_zero_byte(path)) return zero_byte(path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return system_error(path, errno);
    if (!S_ISREG(status.st_mode)) return wrong_kind(path, status.st_mode);
    return identity_of(status);
}

}  // namespace interlock
