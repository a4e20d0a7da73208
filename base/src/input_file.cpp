// input_file.cpp: POSIX descriptors, as std::ifstream says neither why it failed nor what it opened.
//
// SPDX-License-Identifier: MIT
#include "base/input_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <interlock/escape.hpp>

namespace interlock::base {
namespace {

std::string cannot_read(const std::filesystem::path& path, const std::string& why) {
    return "cannot read " + quoted(path.string(), 4096) + ": " + why;
}
std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
    const std::string name = path.string();
    if (name.find('\0') != std::string::npos)
        return {Errc::not_found, cannot_read(path, "its name contains a zero byte")};
    Opened opened = open_for_reading(name.c_str());
    if (!opened.descriptor) {
        const bool absent = opened.error == ENOENT || opened.error == ENOTDIR;
        return {absent ? Errc::not_found : Errc::unreadable, cannot_read(path, reason(opened.error))};
    }
    if (!opened.is_regular()) {
        const char* what = S_ISDIR(opened.status.st_mode) ? "it is a directory" : "it is not a regular file";
        return {Errc::unreadable, cannot_read(path, what)};
    }
    return InputFile(std::move(opened.descriptor), path);
}

Result<std::size_t> InputFile::read(std::span<std::uint8_t> piece) {
    std::size_t filled = 0;
    while (filled < piece.size()) {
        const ssize_t got = ::read(descriptor_.get(), piece.data() + filled, piece.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return {Errc::io_error, cannot_read(path_, reason(errno))};
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    return filled;
}

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t limit) {
    auto file = InputFile::open(path);
    if (!file) return std::move(file).error();
    std::string text;
    while (text.size() <= limit) {
        std::uint8_t piece[16 * 1024];
        const auto size = file->read(piece);
        if (!size) return {Errc::unreadable, size.error().message};
        if (*size == 0) break;
        text.append(reinterpret_cast<const char*>(piece), *size);
    }
    if (text.size() > limit + 1) text.resize(limit + 1);
    return text;
}

}  // namespace interlock::base
