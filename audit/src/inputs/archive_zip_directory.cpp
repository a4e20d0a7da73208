// archive_zip_directory.cpp: finds the directory of a zip file, and reads it entry by entry, so that one of any length
// takes no memory. Decides as Python's zipfile does, with which wheels are installed.
//
// SPDX-License-Identifier: MIT
#include <libdeflate.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

#include <interlock/escape.hpp>

#include "inputs/archive_zip.hpp"

namespace interlock::auditing::inputs {
namespace {

constexpr std::size_t end_size = 22, locator_size = 20, end64_size = 56, entry_size = 46;
constexpr std::size_t tail_size = end_size + 0xffff;  // the longest comment
constexpr std::uint16_t encrypted = 1u << 0, strongly_encrypted = 1u << 6, utf8_name = 1u << 11;
constexpr unsigned made_by_unix = 3;

bool signature(const std::uint8_t* at, const char (&magic)[5]) { return std::memcmp(at, magic, 4) == 0; }

[[noreturn]] void broken(const std::string& name, const std::string& why) {
    throw Failure({Errc::malformed_file, "cannot read the zip archive " + quoted(name, 4096) + ": " + why});
}

/// Well-formed, and no surrogates, as RFC 3629 wants it.
bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<std::uint8_t>(text[i++]);
        if (first < 0x80) continue;
        const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.size() - i < more) return false;
        std::uint32_t point = first & (0x3fu >> more);
        for (unsigned k = 0; k < more; ++k, ++i) {
            const auto next = static_cast<std::uint8_t>(text[i]);
            if ((next & 0xc0) != 0x80) return false;
            point = point << 6 | (next & 0x3f);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
    }
    return true;
}

std::string method_name(unsigned method) {
    static constexpr std::pair<unsigned, const char*> names[] = {{1, "shrinking"}, {6, "imploding"}, {9, "deflate64"},
                                                                 {14, "lzma"},     {93, "zstd"},     {95, "xz"},
                                                                 {98, "ppmd"},     {99, "aes"}};
    for (const auto& [known, name] : names)
        if (known == method) return name;
    return "method " + std::to_string(method);
}

// ---- where the directory is ----

/// Where an end record says that it is.
struct Place {
    std::uint64_t offset = 0, size = 0;
    std::uint64_t end = 0;  ///< where it must end: at the end record
};

class EndFinder {
public:
    EndFinder(const OpenedFile& file, const std::string& name)
        : stream_(file.descriptor.get(), 0, file.size, name), name_(name) {}

    Place find() {
        const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(tail_size, stream_.size()));
        std::vector<std::uint8_t> tail(size);
        const std::uint64_t tail_at = stream_.size() - size;
        bytes(tail_at, tail);
        for (std::size_t i = size < end_size ? 0 : size - end_size + 1; i-- > 0;) {
            if (!signature(&tail[i], "PK\5\6")) continue;
            if (const auto place = place64(tail_at + i)) return checked(*place);
            return checked({zip_number(&tail[i + 16], 4), zip_number(&tail[i + 12], 4), tail_at + i});
        }
        broken(name_, "it has no directory at its end; it may be truncated");
    }

private:
    void bytes(std::uint64_t at, std::span<std::uint8_t> buffer) {
        stream_.seek(at);
        if (stream_.fill(buffer) != buffer.size()) broken(name_, "the file shrank while it was read");
    }

    /// The end record of archives beyond 4 GiB or 65535 entries, if there is one in front of the other, at `end`.
    std::optional<Place> place64(std::uint64_t end) {
        if (end < locator_size + end64_size) return std::nullopt;
        const std::uint64_t locator_at = end - locator_size;
        std::array<std::uint8_t, locator_size> locator;
        bytes(locator_at, locator);
        if (!signature(locator.data(), "PK\6\7")) return std::nullopt;
        // It says where, but not if something was put in front of the archive.
        for (const std::uint64_t at : {zip_number(&locator[8], 8), locator_at - end64_size}) {
            if (at > locator_at - end64_size) continue;
            std::array<std::uint8_t, end64_size> record;
            bytes(at, record);
            if (signature(record.data(), "PK\6\6"))
                return Place{zip_number(&record[48], 8), zip_number(&record[40], 8), at};
        }
        return std::nullopt;
    }

    Place checked(const Place& place) const {
        if (place.size > place.end || place.offset > place.end - place.size)
            broken(name_, "its directory is not within the file; it may be truncated, or in several parts");
        return place;
    }

    FileStream stream_;
    const std::string& name_;
};

// ---- what it says ----

/// From one entry to the next.
class Entries {
public:
    Entries(const OpenedFile& file, const std::string& name, std::uint64_t start, std::uint64_t end)
        : stream_(file.descriptor.get(), start, end - start, name), name_(name), buffer_(std::size_t{1} << 16) {}

    /// One entry with all that belongs to it; empty at the end.
    std::span<const std::uint8_t> next() {
        if (!have(entry_size)) {
            if (have_ != used_) damaged();
            return {};
        }
        const std::uint8_t* entry = &buffer_[used_];
        if (!signature(entry, "PK\1\2")) damaged();
        const std::size_t length = static_cast<std::size_t>(entry_size + zip_number(entry + 28, 2) +
                                                            zip_number(entry + 30, 2) + zip_number(entry + 32, 2));
        if (!have(length)) damaged();
        const std::span<const std::uint8_t> whole(&buffer_[used_], length);
        used_ += length;
        return whole;
    }

private:
    [[noreturn]] void damaged() const { broken(name_, "its directory is damaged"); }

    bool have(std::size_t size) {
        if (have_ - used_ >= size) return true;
        std::move(buffer_.begin() + static_cast<std::ptrdiff_t>(used_),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(have_), buffer_.begin());
        have_ -= used_;
        used_ = 0;
        if (buffer_.size() < size) buffer_.resize(2 * size);
        have_ += stream_.fill(std::span(buffer_).subspan(have_));
        return have_ >= size;
    }

    FileStream stream_;
    const std::string& name_;
    std::vector<std::uint8_t> buffer_;
    std::size_t have_ = 0, used_ = 0;
};

/// The content of the extra field with this number; empty if there is none.
std::span<const std::uint8_t> extra_field(std::span<const std::uint8_t> extra, std::uint16_t id) {
    while (extra.size() >= 4) {
        const std::uint64_t size = zip_number(&extra[2], 2);
        if (size > extra.size() - 4) break;
        if (zip_number(extra.data(), 2) == id) return extra.subspan(4, static_cast<std::size_t>(size));
        extra = extra.subspan(4 + static_cast<std::size_t>(size));
    }
    return {};
}

/// Numbers that do not fit into 32 bits are in a field of their own, in this order. False: they are not there.
bool take_large_numbers(ZipMember& member, std::span<const std::uint8_t> extra) {
    std::span<const std::uint8_t> field = extra_field(extra, 1);
    for (std::uint64_t* value : {&member.unpacked, &member.packed, &member.offset}) {
        if (*value != 0xffffffffu) continue;
        if (field.size() < 8) return false;
        *value = zip_number(field.data(), 8);
        field = field.subspan(8);
    }
    return true;
}

std::string name_in_use(const ZipMember& member, std::span<const std::uint8_t> extra) {
    std::string_view name = member.stored_name;
    // A second name, in UTF-8, that counts as long as nobody has changed the first.
    if (const auto field = extra_field(extra, 0x7075); field.size() > 5 && field[0] == 1)
        if (zip_number(&field[1], 4) == libdeflate_crc32(0, name.data(), name.size()))
            name = std::string_view(reinterpret_cast<const char*>(&field[5]), field.size() - 5);
    return std::string(name.substr(0, name.find('\0')));
}

std::size_t name_size(std::span<const std::uint8_t> entry) {
    return static_cast<std::size_t>(zip_number(&entry[28], 2));
}
std::span<const std::uint8_t> extra_of(std::span<const std::uint8_t> entry) {
    return entry.subspan(entry_size + name_size(entry), static_cast<std::size_t>(zip_number(&entry[30], 2)));
}

/// The offset is that in the entry. False: the entry is incomplete.
bool take_numbers(ZipMember& member, std::span<const std::uint8_t> entry) {
    member.method = static_cast<std::uint16_t>(zip_number(&entry[10], 2));
    member.crc = static_cast<std::uint32_t>(zip_number(&entry[16], 4));
    member.packed = zip_number(&entry[20], 4);
    member.unpacked = zip_number(&entry[24], 4);
    member.offset = zip_number(&entry[42], 4);
    return take_large_numbers(member, extra_of(entry));
}

ZipMember member_of(std::span<const std::uint8_t> entry) {
    ZipMember member;
    const auto flags = static_cast<std::uint16_t>(zip_number(&entry[8], 2));
    const bool complete = take_numbers(member, entry);
    member.size = member.unpacked;
    const std::span<const std::uint8_t> extra = extra_of(entry);
    if (const auto stored = entry.subspan(entry_size, name_size(entry)); !stored.empty())
        member.stored_name.assign(reinterpret_cast<const char*>(stored.data()), stored.size());
    const std::string name = name_in_use(member, extra);
    member.nameless = name.size() > PATH_MAX || ((flags & utf8_name) != 0 && !is_utf8(name));
    if (!member.nameless) member.name = member_name(name);
    // To an installer everything is a file that has no '/' at its end: pip writes the content of a link or device, and
    // of a folder without that '/', into a plain file.
    const unsigned type = entry[5] == made_by_unix ? static_cast<unsigned>(zip_number(&entry[40], 2)) & S_IFMT : 0u;
    member.claims_otherwise = type != 0 && type != S_IFREG;
    member.regular = !member.name.ends_with('/');
    if ((flags & (encrypted | strongly_encrypted)) != 0)
        member.unreadable = "it is encrypted";
    else if (member.method != 0 && member.method != 8 && member.method != 12)  // stored, deflate, bzip2
        // The others let the file choose how much memory its decompressor takes.
        member.unreadable = "its compression, " + method_name(member.method) + ", is not supported; use deflate";
    else if (!complete)
        member.unreadable = "its entry in the directory is incomplete";
    return member;
}

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const OpenedFile> file, std::string name, Usage& usage)
    : file_(std::move(file)), name_(std::move(name)) {
    const Place place = EndFinder(*file_, name_).find();
    start_ = place.end - place.size;
    end_ = place.end;
    prefix_ = start_ - place.offset;
    Entries entries(*file_, name_, start_, end_);
    try {
        for (;;) {
            const auto entry = entries.next();
            if (entry.empty()) break;
            usage.count_entry();
            ZipMember member;
            take_numbers(member, entry);
            starts_.push_back(member.offset);
        }
    } catch (const LimitReached&) {
        throw;
    } catch (const Failure& failure) {
        damage_ = failure.error();
    }
    std::sort(starts_.begin(), starts_.end());
}

void ZipArchive::each(const std::function<void(const ZipMember&)>& visit) const {
    Entries entries(*file_, name_, start_, end_);
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        const auto entry = entries.next();
        if (entry.empty()) return;
        ZipMember member = member_of(entry);
        const auto next = std::upper_bound(starts_.begin(), starts_.end(), member.offset);
        // An offset that is out of range fails when the member is opened.
        const auto placed = [&](std::uint64_t offset) { return offset > start_ - prefix_ ? start_ : offset + prefix_; };
        member.end = next == starts_.end() ? start_ : placed(*next);
        member.offset = placed(member.offset);
        visit(member);
    }
}

}  // namespace interlock::auditing::inputs
