// base/descriptor.hpp: descriptors that close themselves, and the one way to open a file that may be anything.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <utility>

namespace interlock::base {

/// A descriptor; closes it.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) noexcept : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor();
    int get() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }

private:
    int number_ = -1;
};

/// What came of opening a file.
struct Opened {
    Descriptor descriptor;
    int error = 0;         ///< errno; 0 when it is open
    struct stat status{};  ///< of what is open
    bool is_regular() const noexcept { return descriptor && S_ISREG(status.st_mode); }
};

/// Opens for reading without ever waiting: a FIFO, a device or a socket in the place of a file is to give an error at
/// once. The type is that of the descriptor, so that no exchange of the file can slip between. `flags` are added
/// (O_NOFOLLOW). [any-thread]
Opened open_for_reading(const char* path, int flags = 0) noexcept;
/// The flags of open_for_reading(), for who must open in another way, and then what it looks at.
int flags_for_reading() noexcept;
Opened looked_at(Descriptor descriptor) noexcept;

/// "a directory", "a FIFO", "a socket", "a device", "not a regular file".
const char* kind_of_file(mode_t mode) noexcept;

}  // namespace interlock::base
