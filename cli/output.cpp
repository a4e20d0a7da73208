// output.cpp: the streams of the command (output.hpp).
//
// SPDX-License-Identifier: MIT
#include "output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace {

constexpr std::size_t buffer_limit = 64 * 1024;
constexpr std::string_view erase_line = "\r\033[K";

/// 0, or errno.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

bool forces_color(const char* name) { return is_set(name) && std::strcmp(std::getenv(name), "0") != 0; }

}  // namespace

std::string to_text(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string json_string(std::string_view text) { return to_text(Json(text)); }

ColorChoice choose_color(std::string_view option, int fd) {
    if (option != "auto") return {option == "always", "--color"};
    if (is_set("NO_COLOR")) return {false, "NO_COLOR"};
    for (const char* name : {"CLICOLOR_FORCE", "FORCE_COLOR"}) {
        if (forces_color(name)) return {true, name};
    }
    const char* terminal = std::getenv("TERM");
    if (terminal != nullptr && std::strcmp(terminal, "dumb") == 0) return {false, "TERM"};
    const bool on = ::isatty(fd) == 1;
    return {on, on ? "terminal" : "default"};
}

void Output::use_color(bool on_stdout, bool on_stderr) noexcept {
    color_out_ = on_stdout;
    color_err_ = on_stderr;
}

void Output::write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= buffer_limit) flush();
}

void Output::write_line(std::string_view text) {
    write(text);
    write("\n");
}

void Output::write_json(const Json& json) { write_line(to_text(json, 2)); }

void Output::flush() {
    const std::string text = std::exchange(buffer_, std::string());
    if (text.empty() || unread_) return;
    int error = 0;
    {
        const std::lock_guard lock(mutex_);
        const bool over_progress = !progress_.empty() && ::isatty(STDOUT_FILENO) == 1;
        if (over_progress) static_cast<void>(write_all(STDERR_FILENO, erase_line));
        error = write_all(STDOUT_FILENO, text);
        if (over_progress) static_cast<void>(write_all(STDERR_FILENO, progress_));
    }
    unread_ = error == EPIPE;
    if (error != 0 && !unread_)
        throw CommandError(exit_unreadable, std::string("cannot write to standard output: ") +
                                                (error == EBADF ? "it is closed" : std::strerror(error)));
}

void Output::note(std::string_view text) {
    const std::lock_guard lock(mutex_);
    // In one piece, so that it stays together when several processes share a terminal. There is nowhere to complain
    // that it cannot be written.
    if (progress_.empty())
        static_cast<void>(write_all(STDERR_FILENO, text));
    else
        static_cast<void>(write_all(STDERR_FILENO, std::string(erase_line).append(text) + progress_));
}

void Output::show_progress(std::string line) {
    const std::lock_guard lock(mutex_);
    if (line == progress_) return;
    progress_ = std::move(line);
    static_cast<void>(write_all(STDERR_FILENO, std::string(erase_line) + progress_));
}

void Output::error(std::string_view message) {
    note("interlock: " + styled_note(base::Style::red, "error:") + " " + std::string(message) + "\n");
}

void Output::warning(std::string_view message) {
    note("interlock: " + styled_note(base::Style::yellow, "warning:") + " " + std::string(message) + "\n");
}

std::string Output::styled(base::Style style, std::string_view text) const {
    return base::styled(color_out_, style, text);
}

std::string Output::styled_note(base::Style style, std::string_view text) const {
    return base::styled(color_err_, style, text);
}

}  // namespace interlock::cli
