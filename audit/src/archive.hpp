// archive.hpp: goes through the members of a zip, tar or deb file, in the order in which they lie there. Nothing is
// ever written to a path that an archive names: names are text for reports.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "archive_stream.hpp"

namespace interlock::auditing {

/// One entry of an archive.
struct Member {
    std::string name;                   ///< as stored, with '/' for '\', without "./" in front
    std::optional<std::uint64_t> size;  ///< as the archive claims
    bool nameless = false;              ///< its name is not in the charset that it claims to be in
    bool regular = false;               ///< a file with content; not a folder, link or device
    std::string unreadable;             ///< why its content cannot be had ("it is encrypted"); empty if it can
};

/// One thread at a time. Failure with malformed_file: the archive is damaged; LimitReached.
class ArchiveReader {
public:
    virtual ~ArchiveReader() = default;
    /// Goes to the next member, whatever was read of the last one. False at the end.
    virtual bool next(Member& member) = 0;
    /// Content of the current member. A Failure is about this member; next() may still work.
    virtual std::size_t read(std::span<std::uint8_t> buffer) = 0;
};

/// The content of the current member.
class MemberStream : public ByteStream {
public:
    explicit MemberStream(ArchiveReader& reader) : reader_(reader) {}
    std::size_t read(std::span<std::uint8_t> buffer) override { return reader_.read(buffer); }

private:
    ArchiveReader& reader_;
};

/// The number of entries in the directory of a zip file, and where its first byte lies behind what may have been put
/// in front of it. Throws malformed_file, LimitReached.
struct ZipDirectory {
    std::uint64_t start = 0, entries = 0;
};
ZipDirectory read_zip_directory(FileStream& file, const std::string& name, const Tally& tally);
/// Bytes that an open zip file takes for each entry.
inline constexpr std::uint64_t zip_entry_cost = 192;

// What is passed by reference outlives the reader. `name` is for messages.
std::unique_ptr<ArchiveReader> open_zip(const FileStream& file, const ZipDirectory& directory, const std::string& name,
                                        Tally& tally);
/// Not compressed.
std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const std::string& name, Tally& tally);
std::unique_ptr<ArchiveReader> open_deb(ByteStream& stream, const std::string& name, Tally& tally);

/// A name from an archive as it is used in reports.
std::string member_name(std::string_view stored);

}  // namespace interlock::auditing
