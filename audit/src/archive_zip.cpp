// archive_zip.cpp: a look at the directory of a zip file before libarchive takes it, which reads all of it into memory,
// whatever its length. The end record is looked for in the same way, so that both find the same one.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include <interlock/escape.hpp>

#include "archive.hpp"

namespace interlock::auditing {
namespace {

constexpr std::size_t tail_size = 16 * 1024;  // libarchive looks no further from the end
constexpr std::size_t end_size = 22, locator_size = 20, end64_size = 56, entry_size = 46;

std::uint64_t number(const std::uint8_t* at, unsigned size) {
    std::uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | at[i];
    return value;
}
bool signature(const std::uint8_t* at, const char (&magic)[5]) { return std::memcmp(at, magic, 4) == 0; }

/// Where an end record says that the directory is.
struct Place {
    std::uint64_t offset = 0, size = 0;
    std::uint64_t end = 0;  ///< where it must end: at the end record
};

class DirectoryReader {
public:
    DirectoryReader(FileStream& file, const std::string& name, const Tally& tally)
        : file_(file), name_(name), tally_(tally) {}

    ZipDirectory read() {
        const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(tail_size, file_.size()));
        std::vector<std::uint8_t> tail(size);
        const std::uint64_t tail_at = file_.size() - size;
        bytes(tail_at, tail);
        for (std::size_t i = size < end_size ? 0 : size - end_size + 1; i-- > 0;) {
            if (!signature(&tail[i], "PK\5\6")) continue;
            if (i >= locator_size && signature(&tail[i - locator_size], "PK\6\7"))
                if (const auto place = place64(number(&tail[i - locator_size + 8], 8), tail_at + i - locator_size))
                    return count(*place);
            return count({number(&tail[i + 16], 4), number(&tail[i + 12], 4), tail_at + i});
        }
        broken("it has no directory at its end; it may be truncated");
    }

private:
    [[noreturn]] void broken(const std::string& why) const {
        throw Failure({Errc::malformed_file, "cannot read the zip archive " + quoted(name_, 4096) + ": " + why});
    }
    void bytes(std::uint64_t at, std::span<std::uint8_t> buffer) const {
        file_.seek(at);
        if (file_.fill(buffer) != buffer.size()) broken("the file shrank while it was read");
    }

    /// The end record of archives beyond 4 GiB or 65535 entries; nullopt if there is none at `at`.
    std::optional<Place> place64(std::uint64_t at, std::uint64_t before) const {
        if (before < end64_size || at > before - end64_size) return std::nullopt;
        std::array<std::uint8_t, end64_size> record;
        bytes(at, record);
        if (!signature(record.data(), "PK\6\6")) return std::nullopt;
        return Place{number(&record[48], 8), number(&record[40], 8), at};
    }

    ZipDirectory count(const Place& place) const {
        if (place.size > place.end || place.offset > place.end - place.size)
            broken("its directory is not within the file; it may be truncated, or in several parts");
        ZipDirectory result;
        result.start = place.end - place.size - place.offset;
        // The directory's own signatures count, not the numbers in the end record: so it is for libarchive.
        std::uint64_t at = result.start + place.offset;
        std::vector<std::uint8_t> buffer(std::size_t{1} << 16);
        std::size_t have = 0, used = 0;
        for (;;) {
            if (have - used < entry_size) {
                file_.seek(at);
                have = file_.fill(buffer);
                used = 0;
                if (have < entry_size) break;
            }
            const std::uint8_t* entry = &buffer[used];
            if (!signature(entry, "PK\1\2")) break;
            const std::uint64_t length =
                entry_size + number(entry + 28, 2) + number(entry + 30, 2) + number(entry + 32, 2);
            at += length;
            used = static_cast<std::size_t>(std::min<std::uint64_t>(used + length, have));
            tally_.count_entries_ahead(++result.entries);
        }
        return result;
    }

    FileStream& file_;
    const std::string& name_;
    const Tally& tally_;
};

}  // namespace

ZipDirectory read_zip_directory(FileStream& file, const std::string& name, const Tally& tally) {
    return DirectoryReader(file, name, tally).read();
}

}  // namespace interlock::auditing
