// byte_source.hpp: the bytes of a file or of an image in memory, behind one checked door. Files are read with pread
// into bounded buffers and never mapped: a file that is truncated under a mapping kills the process.
// The functions throw Failure; the reader's entry points turn that into a Result.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <interlock/result.hpp>

#include "base/hex.hpp"
#include "base/regular_file.hpp"

namespace interlock {

using base::hex;

class ByteSource {
public:
    using Bytes = std::span<const std::uint8_t>;
    /// Holds what read() had to fetch; reused from read to read.
    using Buffer = std::vector<std::uint8_t>;

    /// `image` and `name` outlive the source. `name` is for messages. `over_limit` is the code that too_large() throws:
    /// who does not import says of such a file that it may well be a module.
    ByteSource(Bytes image, const std::string& name, Errc over_limit = Errc::unsupported)
        : name_(name), size_(image.size()), over_limit_(over_limit), head_(image) {}
    /// Reads the first bytes at once: with a normal library they hold all that an import needs.
    ByteSource(const base::RegularFile& file, const std::string& name);
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    std::uint64_t size() const noexcept { return size_; }
    bool contains(std::uint64_t offset, std::uint64_t length) const noexcept {
        return offset <= size_ && length <= size_ - offset;
    }
    /// The bytes [offset, offset + length): valid until `buffer` is used again, and of an image as long as that is.
    /// `what` names them in messages.
    Bytes read(std::uint64_t offset, std::uint64_t length, const char* what, Buffer& buffer) const;

    /// Throws malformed_file: the structure at `offset` breaks the rules, for this reason.
    [[noreturn]] void malformed(std::uint64_t offset, const std::string& reason) const;
    /// Throws unsupported, or what the source was made with: the file may be right, but goes beyond what this reader
    /// takes.
    [[noreturn]] void too_large(std::uint64_t offset, const std::string& reason) const;

private:
    static constexpr std::size_t head_size = 4096;

    const std::string& name_;
    const base::RegularFile* file_ = nullptr;
    std::uint64_t size_ = 0;
    Errc over_limit_ = Errc::unsupported;
    mutable std::uint64_t bytes_read_ = 0;
    std::array<std::uint8_t, head_size> head_storage_;
    Bytes head_;  ///< all of an image, the beginning of a file
};

}  // namespace interlock
