// standard_input.cpp: reads with read(2) and not with a stream, which would not tell an error from the end.
//
// SPDX-License-Identifier: MIT
#include "standard_input.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "exit_codes.hpp"

namespace interlock::cli {

std::string content_of_stdin(std::size_t enough) {
    std::string content;
    char chunk[64 * 1024];
    while (content.size() <= enough) {
        const ssize_t size = ::read(STDIN_FILENO, chunk, sizeof chunk);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0)
            throw CommandError(exit_unreadable, fmt::format("cannot read standard input: {}", std::strerror(errno)));
        if (size == 0) break;
        content.append(chunk, static_cast<std::size_t>(size));
    }
    return content;
}

}  // namespace interlock::cli
