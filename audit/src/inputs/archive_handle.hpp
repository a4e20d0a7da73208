// archive_handle.hpp: owns a reader of libarchive that takes its bytes from a ByteStream. Exceptions of the stream must
// not pass through C code: they wait here until libarchive has returned.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "inputs/archive_stream.hpp"

namespace interlock::auditing::inputs {

class ArchiveHandle {
public:
    /// `stream` outlives it. `name` is for messages.
    ArchiveHandle(ByteStream& stream, std::string name);
    ArchiveHandle(const ArchiveHandle&) = delete;
    ArchiveHandle& operator=(const ArchiveHandle&) = delete;
    ~ArchiveHandle();

    archive* get() const noexcept { return archive_; }
    /// After formats and filters have been chosen. With `file`, which is the stream, libarchive can seek.
    void open(FileStream* file = nullptr);
    /// Throws for a status that is worse than a warning.
    void check(int status) const {
        if (status < ARCHIVE_WARN) fail();
    }
    /// Throws what the stream threw, or Failure with what libarchive says.
    [[noreturn]] void fail() const;

    /// What messages are about from now on.
    void rename(std::string name) { name_ = std::move(name); }

    /// From here on the stream may be read for `bytes` until the next call; for headers, which libarchive collects in
    /// memory without a limit.
    void limit_reading(std::uint64_t bytes) noexcept { allowance_ = bytes; }

private:
    static la_ssize_t read_callback(archive*, void* self, const void** buffer);
    static la_int64_t skip_callback(archive*, void* self, la_int64_t bytes);
    static la_int64_t seek_callback(archive*, void* self, la_int64_t offset, int whence);

    /// Behind a seek often only a header is wanted, of each of many thousands of members.
    static constexpr std::size_t first_piece = 4 * 1024;

    ByteStream& stream_;
    FileStream* file_ = nullptr;
    std::string name_;
    archive* archive_;
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::size_t piece_ = first_piece;  ///< to read next
    std::uint64_t allowance_ = UINT64_MAX;
    mutable std::exception_ptr thrown_;
};

}  // namespace interlock::auditing::inputs
