// progress.cpp: the progress bar (progress.hpp).
//
// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <interlock/display_width.hpp>

namespace interlock::cli {

namespace {

std::size_t terminal_width() {
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
    return known ? size.ws_col : 80;
}

/// For a terminal of `width` columns; never longer.
std::string progress_line(const Progress& progress, double seconds, std::size_t width) {
    const bool known = progress.total && *progress.total != 0;
    const auto bytes = static_cast<double>(progress.bytes);
    const std::string count = known ? fmt::format("{}/{}", progress.done, *progress.total)
                                    : fmt::format("{} {}", progress.done, progress.unit);
    const std::string speed = fmt::format("  {}  {}/s", in_bytes(bytes), in_bytes(seconds > 0 ? bytes / seconds : 0));
    std::string line;
    constexpr std::size_t bar = 24;
    if (known && bar + 3 + count.size() + speed.size() <= width) {
        const std::size_t full = std::min(progress.done, *progress.total) * bar / *progress.total;
        line = fmt::format("[{:#<{}}{:.<{}}] ", "", full, "", bar - full);
    }
    // Numbers before words, where not all has room.
    for (const std::string_view part : {std::string_view(count), std::string_view(speed)}) {
        if (line.size() + part.size() > width) return line;
        line += part;
    }
    const std::string last = line.size() + 2 < width ? end_that_fits(progress.last, width - line.size() - 2) : "";
    return last.empty() ? line : line + "  " + last;
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
    // The last column stays free: some terminals wrap when it is used.
    output_.show_progress(
        progress_line(progress, std::chrono::duration<double>(now - begin_).count(), terminal_width() - 1));
}

}  // namespace interlock::cli
