// progress.cpp: the progress bar (progress.hpp).
//
// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

namespace interlock::cli {

namespace {

std::size_t terminal_width() {
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
    return known ? size.ws_col : 80;
}

std::string line_for(const Progress& progress, double seconds) {
    std::string line;
    if (progress.total && *progress.total != 0) {
        constexpr std::size_t width = 24;
        const std::size_t full = progress.done * width / *progress.total;
        line = fmt::format("[{:#<{}}{:.<{}}] {}/{}", "", full, "", width - full, progress.done, *progress.total);
    } else {
        line = fmt::format("{} inputs", progress.done);
    }
    const auto bytes = static_cast<double>(progress.bytes);
    line += fmt::format("  {}  {}/s  {}", in_bytes(bytes), in_bytes(seconds > 0 ? bytes / seconds : 0), progress.mode);
    return line.substr(0, terminal_width() - 1);
}

}  // namespace

std::string in_bytes(double bytes) {
    constexpr std::array units = {"B", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < units.size()) {
        bytes /= 1000;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes)
                     : fmt::format("{:.{}f} {}", bytes, bytes < 10 ? 1 : 0, units[unit]);
}

bool progress_possible() {
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

void ProgressBar::update(const Progress& progress) {
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    output_.show_progress(line_for(progress, std::chrono::duration<double>(now - begin_).count()));
}

}  // namespace interlock::cli
