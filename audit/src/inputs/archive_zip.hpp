// archive_zip.hpp: zip files by their directory, which says where each member lies: so the thread that walks an archive
// need not unpack what it hands over, and what nobody wants is not unpacked at all. What counts is what installers go
// by: the directory, not the headers in front of the members.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inputs/archive.hpp"
#include "inputs/inputs_content.hpp"

namespace interlock::auditing::inputs {

/// A number in a zip file: the byte that counts least is the first.
inline std::uint64_t zip_number(const std::uint8_t* at, unsigned size) noexcept {
    std::uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | at[i];
    return value;
}

/// One entry of the directory. Nothing in it can be trusted, and the bytes may be anything.
struct ZipMember : Member {
    std::uint64_t offset = 0;  ///< of its header, in the file
    std::uint64_t end = 0;     ///< where it ends at the latest: where the next one begins
    std::uint64_t packed = 0, unpacked = 0;
    std::uint32_t crc = 0;
    std::uint16_t method = 0;
    std::string stored_name;  ///< byte for byte
};

/// The directory of a zip file. Of it nothing is kept in memory but where members begin. One thread at a time.
class ZipArchive {
public:
    /// Finds the directory, and goes through it once. `name` is for messages; `usage` counts the entries. Throws
    /// malformed_file, if there is no directory; LimitReached.
    ZipArchive(std::shared_ptr<const OpenedFile> file, std::string name, Usage& usage);

    /// Each member, in the order of the directory: where a name occurs twice, installers keep the last. Throws what
    /// `visit` throws; malformed_file, if the file has changed.
    void each(const std::function<void(const ZipMember&)>& visit) const;

    const std::shared_ptr<const OpenedFile>& file() const noexcept { return file_; }
    const std::string& name() const noexcept { return name_; }
    /// What is wrong behind the last member.
    const std::optional<Error>& damage() const noexcept { return damage_; }
    std::uint64_t entries() const noexcept { return starts_.size(); }

private:
    std::shared_ptr<const OpenedFile> file_;
    std::string name_;
    std::uint64_t prefix_ = 0;  ///< what has been put in front of the archive
    std::uint64_t start_ = 0, end_ = 0;
    std::vector<std::uint64_t> starts_;  ///< of members, in order
    std::optional<Error> damage_;
};
/// Bytes that an open zip file takes for each entry, while the vector grows.
inline constexpr std::uint64_t zip_entry_cost = 24;

/// A member that has not been unpacked yet. Keeps its archive open.
struct PackedMember {
    std::shared_ptr<const OpenedFile> archive;
    ZipMember member;
    std::string path;  ///< for messages
};

/// Content of a member. Throws Failure: malformed_file where anything is not as the directory says, checksum included;
/// unsupported. `usage` counts what is read; nullptr: it has been counted.
class ZipMemberStream : public ByteStream {
public:
    /// `archive` outlives it.
    ZipMemberStream(const OpenedFile& archive, const ZipMember& member, std::string path, Usage* usage);
    ~ZipMemberStream() override;
    std::size_t read(std::span<std::uint8_t> buffer) override;

private:
    void begin();
    void count(std::span<const std::uint8_t> bytes);

    const OpenedFile& archive_;
    const ZipMember& member_;
    std::string path_;
    Usage* usage_;
    Usage counted_;
    std::unique_ptr<FileStream> packed_;
    std::unique_ptr<ByteStream> unpacked_;
    std::uint64_t position_ = 0;
    std::uint32_t crc_ = 0;
};

/// What unpacking a member takes of the memory: its bytes in both forms, or little, if it goes to a temporary file.
std::uint64_t memory_to_unpack(const ZipMember& member) noexcept;
/// All of a member, in memory or in a temporary file. [any-thread] Throws Failure as ZipMemberStream; io_error.
Content unpack(const PackedMember& packed);
/// Whether a member is small enough, and packed in the usual way, to be unpacked at once.
bool fits_at_once(const ZipMember& member) noexcept;
/// Room for such a member: memory with all of its bytes, which can be mapped and written. Throws Failure with io_error;
/// std::bad_alloc.
base::Descriptor room_for(const ZipMember& member);
/// Unpacks such a member into its room. Throws as unpack().
void unpack_into(const PackedMember& packed, int room);

}  // namespace interlock::auditing::inputs
