// descriptor.cpp: O_NONBLOCK has no effect on regular files, and a FIFO is then open at once.
//
// SPDX-License-Identifier: MIT
#include "base/descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace interlock::base {

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

int flags_for_reading() noexcept { return O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY; }

Opened looked_at(Descriptor descriptor) noexcept {
    Opened opened{std::move(descriptor), 0, {}};
    if (::fstat(opened.descriptor.get(), &opened.status) != 0) {
        opened.error = errno;
        opened.descriptor = Descriptor();
    }
    return opened;
}

Opened open_for_reading(const char* path, int flags) noexcept {
    int number = -1;
    do {
        number = ::open(path, flags_for_reading() | flags);
    } while (number < 0 && errno == EINTR);
    if (number < 0) return {{}, errno, {}};
    return looked_at(Descriptor(number));
}

const char* kind_of_file(mode_t mode) noexcept {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    return "not a regular file";
}

}  // namespace interlock::base
