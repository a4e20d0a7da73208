// output_file.cpp: a file that is nobody else's and has one name is written under another one and then renamed, so that
// nobody sees half of it. Pipes, devices and files of others are written to as they are.
//
// SPDX-License-Identifier: MIT
#include "output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

#include <interlock/escape.hpp>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

constexpr int most_links = 40;  // as the kernel has it

/// What a link stands for, also when that is not there yet.
fs::path without_links(fs::path path) {
    std::error_code error;
    for (int i = 0; i < most_links && fs::is_symlink(fs::symlink_status(path, error)); ++i) {
        const fs::path link = fs::read_symlink(path, error);
        if (error) break;
        path = path.parent_path() / link;
    }
    // Of a relative path of which nothing is there yet, it would leave "x" and "./x" two paths.
    fs::path canonical = fs::weakly_canonical(fs::absolute(path, error), error);
    return error ? path : canonical;
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

/// 0, or errno.
int write_and_close(int fd, std::string_view text) {
    int error = 0;
    while (!text.empty() && error == 0) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written >= 0)
            text.remove_prefix(static_cast<std::size_t>(written));
        else if (errno != EINTR)
            error = errno;
    }
    if (::close(fd) != 0 && error == 0) error = errno;
    return error;
}

int overwrite(const fs::path& file, std::string_view text) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return fd < 0 ? errno : write_and_close(fd, text);
}

/// Under a name of its own first. `old`: what is there; null when nothing is.
int replace(const fs::path& file, const struct stat* old, std::string_view text) {
    std::random_device random;
    fs::path fresh;
    int fd = -1;
    for (int attempt = 0; fd < 0; ++attempt) {
        // Not made of the file's name, which may be as long as names can be.
        fresh = folder_of(file) / fmt::format(".interlock-{:08x}{:08x}.tmp", random(), random());
        fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd < 0 && (errno != EEXIST || attempt == 100)) return errno;
    }
    // A failure leaves those of a new file.
    if (old != nullptr) static_cast<void>(::fchmod(fd, old->st_mode & 07777));
    int error = write_and_close(fd, text);
    if (error == 0 && ::rename(fresh.c_str(), file.c_str()) != 0) error = errno;
    if (error != 0) ::unlink(fresh.c_str());
    return error;
}

std::string cannot_write(const std::string& path, int error) {
    return fmt::format("cannot write {}: {}", quoted(path, 4096), std::strerror(error));
}

/// 0, or errno.
int look(const std::string& path, const fs::path& target) {
    struct stat status{};
    if (path.empty()) return ENOENT;
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return EISDIR;
        return ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
    }
    if (errno != ENOENT) return errno;
    if (!target.has_filename()) return EISDIR;
    const fs::path folder = folder_of(target);
    if (::stat(folder.c_str(), &status) != 0) return errno;
    if (!S_ISDIR(status.st_mode)) return ENOTDIR;
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)), target_(without_links(path_)) {
    if (const int error = look(path_, target_); error != 0)
        throw CommandError(exit_unreadable, cannot_write(path_, error));
}

std::string OutputFile::write(std::string_view text) const {
    struct stat status{};
    const bool exists = ::stat(path_.c_str(), &status) == 0;
    // Replaced is only what stays the same for everybody: not pipes and devices, files of others, or files with several
    // names; nor where nothing can be put beside it.
    const bool ours = exists && S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == ::geteuid() &&
                      ::access(folder_of(target_).c_str(), W_OK | X_OK) == 0;
    int error = 0;
    if (!exists)
        error = replace(target_, nullptr, text);
    else if (ours)
        error = replace(target_, &status, text);
    else
        error = overwrite(path_, text);
    return error == 0 ? std::string() : cannot_write(path_, error);
}

bool OutputFile::is_stdout() const {
    struct stat ours{}, stdout_status{};
    return ::stat(path_.c_str(), &ours) == 0 && ::fstat(STDOUT_FILENO, &stdout_status) == 0 && S_ISREG(ours.st_mode) &&
           ours.st_dev == stdout_status.st_dev && ours.st_ino == stdout_status.st_ino;
}

}  // namespace interlock::cli
