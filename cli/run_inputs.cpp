// run_inputs.cpp: finds and reads the inputs of `interlock run` (run_inputs.hpp).
//
// SPDX-License-Identifier: MIT
#include "run_inputs.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/descriptor.hpp"
#include "exit_codes.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t longest_name = 64 * 1024;  // bytes; Linux takes 4096

Error cannot_read(int error) {
    return {error == ENOENT || error == ENOTDIR ? Errc::not_found : Errc::unreadable,
            fmt::format("cannot be read: {}", std::strerror(error))};
}

}  // namespace

InputSource::InputSource(const std::vector<std::string>& arguments, char separator, const StopSignal& stop)
    : stop_(stop), separator_(separator) {
    if (arguments.size() == 1 && arguments[0] == "-") {
        stdin_open_ = true;
        return;
    }
    for (const std::string& argument : arguments) add(argument);
    total_ = pending_.size();
}

void InputSource::add(const std::string& name) {
    struct stat status{};
    if (::stat(name.c_str(), &status) != 0)
        pending_.push_back({0, name, cannot_read(errno)});
    else if (S_ISDIR(status.st_mode))
        add_folder(name);
    else
        pending_.push_back({0, name, std::nullopt});
}

void InputSource::add_folder(const std::string& folder) {
    struct Entry {
        std::string path;
        bool is_folder;
    };
    std::vector<Entry> entries;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        std::error_code unknown;
        const fs::file_type type = entry->symlink_status(unknown).type();
        if (type == fs::file_type::regular || type == fs::file_type::directory)
            entries.push_back({entry->path().string(), type == fs::file_type::directory});
    }
    if (error) {
        pending_.push_back({0, folder, cannot_read(error.value())});
        return;
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
    for (Entry& entry : entries) {
        if (entry.is_folder)
            add_folder(entry.path);
        else
            pending_.push_back({0, std::move(entry.path), std::nullopt});
    }
}

// Takes names from stdin until there is at least one input; false at its end.
bool InputSource::refill() {
    while (pending_.empty()) {
        const std::size_t end = text_.find(separator_);
        if (end != text_.npos || (!stdin_open_ && !text_.empty())) {
            const std::string name = text_.substr(0, end);
            text_.erase(0, end == text_.npos ? end : end + 1);
            if (!name.empty()) add(name);
            continue;
        }
        if (!stdin_open_) return false;
        if (text_.size() > longest_name)
            throw CommandError(
                exit_unreadable,
                fmt::format("stdin has {} bytes without a separator; is it a list of names?", text_.size()));
        std::array<pollfd, 2> waiting = {{{STDIN_FILENO, POLLIN, 0}, {stop_.descriptor(), POLLIN, 0}}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
            throw CommandError(exit_unreadable, fmt::format("cannot read stdin: {}", std::strerror(errno)));
        if (stop_.received() != 0) return false;
        if (waiting[0].revents == 0) continue;
        std::array<char, 16 * 1024> chunk;
        const ssize_t size = ::read(STDIN_FILENO, chunk.data(), chunk.size());
        if (size < 0 && errno != EINTR && errno != EAGAIN)
            throw CommandError(exit_unreadable, fmt::format("cannot read stdin: {}", std::strerror(errno)));
        if (size == 0) stdin_open_ = false;
        if (size > 0) text_.append(chunk.data(), static_cast<std::size_t>(size));
    }
    return true;
}

std::optional<Input> InputSource::next() {
    const std::lock_guard lock(mutex_);
    if (closed_.load() || stop_.received() != 0 || !refill()) return std::nullopt;
    Input input = std::move(pending_.front());
    pending_.pop_front();
    input.index = next_index_++;
    return input;
}

Outcome read_content(const std::string& path, std::string& content) {
    content.clear();
    // Opening a pipe would wait for somebody who writes into it.
    const base::Opened file = base::open_for_reading(path.c_str());
    if (!file.descriptor) return cannot_read(file.error);
    if (!file.is_regular()) return Error{Errc::unreadable, "cannot be read: it is no regular file"};
    // One more byte than it should have: the read that notices the end then needs no room.
    content.resize(static_cast<std::size_t>(file.status.st_size) + 1);
    std::size_t used = 0;
    for (;;) {
        if (used == content.size()) content.resize(content.size() * 2);
        const ssize_t size = ::read(file.descriptor.get(), content.data() + used, content.size() - used);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return Error{Errc::io_error, cannot_read(errno).message};
        if (size == 0) break;
        used += static_cast<std::size_t>(size);
    }
    content.resize(used);
    return Ok{};
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t at = 0; at < text.size();) {
        const unsigned char lead = byte(at);
        if (lead < 0x80) {
            ++at;
            continue;
        }
        const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0xc2 || lead > 0xf4 || text.size() - at < size) return at;
        char32_t code = lead & (0x7fu >> size);
        for (std::size_t i = 1; i < size; ++i) {
            if ((byte(at + i) & 0xc0) != 0x80) return at;
            code = code << 6 | (byte(at + i) & 0x3fu);
        }
        const char32_t lowest = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
        if (code < lowest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return at;
        at += size;
    }
    return std::nullopt;
}

}  // namespace interlock::cli
