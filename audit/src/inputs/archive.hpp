// archive.hpp: goes through the members of a tar or deb file, in the order in which they lie there; zip files are in
// archive_zip.hpp. Nothing is ever written to a path that an archive names: names are text for reports.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "inputs/archive_stream.hpp"

namespace interlock::auditing::inputs {

/// One entry of an archive.
struct Member {
    std::string name;                   ///< as stored, with '/' for '\', without "./" in front
    std::optional<std::uint64_t> size;  ///< as the archive claims
    bool nameless = false;          ///< its name is longer than a path, or not in the charset that it claims to be in
    bool regular = false;           ///< a file with content; not a folder, link or device
    bool claims_otherwise = false;  ///< of a zip file: it says that it is a link or device; installers do not care
    std::string link;               ///< of a tar file: what it is a link to, as stored; empty for none
    bool hard_link = false;         ///< then the name of a member, and else a path from its own folder
    std::string unreadable;         ///< why its content cannot be had ("it is encrypted"); empty if it can
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

// What is passed by reference outlives the reader. `name` is for messages.
/// Not compressed.
std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const std::string& name, Usage& usage);
std::unique_ptr<ArchiveReader> open_deb(ByteStream& stream, const std::string& name, Usage& usage);

/// What the readers need of the system beside the archive; for a process that is going to lose its rights.
void prepare_names();

/// A name from an archive as it is used in reports.
std::string member_name(std::string_view stored);

}  // namespace interlock::auditing::inputs
