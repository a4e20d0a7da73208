// patching.hpp: numbers in images that tests change by hand, and the message that the readers have to give for it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/bytes.hpp"

namespace interlock::test {

using Image = std::vector<std::uint8_t>;

inline void put(Image& image, std::size_t offset, std::uint64_t value, unsigned size, bool little = true) {
    if (image.size() < offset + size) image.resize(offset + size);
    for (unsigned i = 0; i < size; ++i)
        image[offset + i] = static_cast<std::uint8_t>(value >> 8 * (little ? i : size - 1 - i));
}

inline std::uint64_t get(const Image& image, std::size_t offset, unsigned size) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{image.at(offset + i)} << 8 * i;
    return value;
}

/// The message of ByteView::malformed() on the file "file".
inline std::string malformed_message(std::uint64_t offset, const std::string& reason) {
    const std::string name = "file";
    try {
        auditing::image::ByteView({}, name).malformed(offset, reason);
    } catch (const Failure& failure) {
        return failure.error().message;
    }
}

/// The same of ByteView::unsupported(), and of too_much().
inline std::string unsupported_message(const std::string& reason) {
    const std::string name = "file";
    try {
        auditing::image::ByteView({}, name).unsupported(reason);
    } catch (const Failure& failure) {
        return failure.error().message;
    }
}

}  // namespace interlock::test
