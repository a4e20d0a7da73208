// archive_stream.hpp: bytes that are read from front to back: a file, a member of an archive, or what comes out of a
// decompressor; and what all of it has used up of the budget.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <interlock/audit.hpp>
#include <interlock/result.hpp>

#include "inputs/archive_names.hpp"

namespace interlock::auditing::inputs {

/// A limit of AuditBudget was reached: the archive, with all that is around it, is not read any further.
class LimitReached : public Failure {
public:
    using Failure::Failure;
};

/// What one archive of the user, with everything that is nested in it, has used up. So that many small bombs in one
/// archive are as harmless as a big one.
class Usage {
public:
    /// `packed` is the size of the outermost archive.
    Usage(const AuditBudget& budget, std::string path, std::uint64_t packed)
        : budget_(&budget), path_(std::move(path)), packed_(packed) {}

    /// These throw LimitReached.
    void count_entry();
    void count_entries_ahead(std::uint64_t entries) const;  ///< of a directory that has not been gone through yet
    void count_unpacked(std::uint64_t bytes);
    void check_nesting(unsigned depth, const std::string& path) const;

    std::uint64_t entries() const noexcept { return entries_; }
    std::uint64_t unpacked() const noexcept { return unpacked_; }
    const std::string& path() const noexcept { return path_; }
    std::uint64_t packed() const noexcept { return packed_; }
    /// Goes on from what another one has counted. Throws LimitReached.
    void go_on_from(std::uint64_t entries, std::uint64_t unpacked);
    const AuditBudget& budget() const noexcept { return *budget_; }

private:
    [[noreturn]] void stop(const std::string& what, const char* limit, std::uint64_t value) const;

    const AuditBudget* budget_;
    std::string path_;
    std::uint64_t packed_, entries_ = 0, unpacked_ = 0;
};

/// Bytes from front to back. Failures are thrown: Failure with unreadable, malformed_file or io_error.
class ByteStream {
public:
    virtual ~ByteStream() = default;
    /// Fills the buffer from its start, at least one byte of it; 0 at the end.
    virtual std::size_t read(std::span<std::uint8_t> buffer) = 0;
    /// Goes on without reading; how far is up to the stream, 0 if it cannot.
    virtual std::uint64_t skip(std::uint64_t) { return 0; }

    /// Fills the buffer as far as the stream reaches.
    std::size_t fill(std::span<std::uint8_t> buffer);
};

/// A part of an open file; does not own the descriptor, and does not move its position.
class FileStream : public ByteStream {
public:
    FileStream(int descriptor, std::uint64_t start, std::uint64_t size, std::string name)
        : descriptor_(descriptor), start_(start), size_(size), name_(std::move(name)) {}

    std::size_t read(std::span<std::uint8_t> buffer) override;
    std::uint64_t skip(std::uint64_t bytes) override;
    std::uint64_t size() const noexcept { return size_; }
    std::uint64_t position() const noexcept { return position_; }
    void seek(std::uint64_t position) noexcept { position_ = position < size_ ? position : size_; }
    /// The part that starts at `start`.
    FileStream from(std::uint64_t start) const { return {descriptor_, start_ + start, size_ - start, name_}; }
    const std::string& name() const noexcept { return name_; }

private:
    int descriptor_;
    std::uint64_t start_, size_, position_ = 0;
    std::string name_;
};

/// A stream of which the first bytes have been looked at already.
class PeekedStream : public ByteStream {
public:
    explicit PeekedStream(ByteStream& rest);
    Head head() const noexcept { return Head(head_.get(), filled_); }
    std::size_t read(std::span<std::uint8_t> buffer) override;
    std::uint64_t skip(std::uint64_t bytes) override;

private:
    ByteStream& rest_;
    std::unique_ptr<std::uint8_t[]> head_;
    std::size_t filled_ = 0, given_ = 0;
};

/// What `packed` unpacks to; counts it. No decompressor takes more than 128 MiB, whatever the file asks for.
/// `packed`, `usage` outlive it. `name` is for messages.
std::unique_ptr<ByteStream> unpacked(ByteStream& packed, Compression compression, const std::string& name,
                                     Usage& usage);
/// For Compression::xz: .xz and .lzma.
std::unique_ptr<ByteStream> unpacked_xz(ByteStream& packed, const std::string& name, Usage& usage);

}  // namespace interlock::auditing::inputs
