// archive_maker.hpp: makes archives, right and wrong, for the tests of the inputs. Zip files are written by hand, so
// that anything in them can be false; the rest by libarchive.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_folder.hpp"

namespace interlock::test {

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What begins like an ELF file, and is told from others by its text.
inline std::string library(std::string_view text) {
    return "\x7f"
           "ELF" +
           std::string(text);
}

inline std::uint32_t crc32_of(std::string_view bytes) {
    std::uint32_t crc = ~0u;
    for (const char c : bytes) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

struct ZipEntry {
    std::string name, content;  ///< packed, if it is
    std::uint16_t flags = 0, method = 0;
    std::optional<std::uint32_t> crc = std::nullopt;
    std::optional<std::uint32_t> size = std::nullopt;  ///< as claimed; that of the content otherwise
    std::optional<std::uint32_t> packed = std::nullopt;
    std::optional<std::string> header_name = std::nullopt;  ///< in front of the content, if it is another one
    std::string extra = {};                                 ///< fields in the directory
    std::uint16_t mode = 0100644;
    bool descriptor = false;  ///< checksum and sizes are behind the content, and not in front of it
    bool large_file = false;  ///< its numbers are 64 bits long
    bool same_place = false;  ///< the directory says that it is where the one before is
};

inline void put(std::string& text, std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i));
}

/// What is at the end of a zip archive, beside its directory.
struct ZipEnd {
    std::string comment = {};
    bool large_file = false;
    std::uint32_t missing = 0;  ///< bytes that the directory claims to have at its end, and does not
};

/// A zip archive; of stored members, if nothing else is said.
inline std::string zip(const std::vector<ZipEntry>& entries, const ZipEnd& end = {}) {
    std::string out, directory;
    std::size_t at = 0;
    for (const ZipEntry& entry : entries) {
        if (!entry.same_place) at = out.size();
        const std::uint32_t crc = entry.crc.value_or(crc32_of(entry.content));
        const std::uint64_t size = entry.size.value_or(static_cast<std::uint32_t>(entry.content.size()));
        const std::uint64_t packed = entry.packed.value_or(static_cast<std::uint32_t>(entry.content.size()));
        std::string extra = entry.extra;
        if (entry.large_file) {
            put(extra, 1, 2);
            put(extra, 24, 2);
            for (const std::uint64_t number : {size, packed, std::uint64_t{at}}) put(extra, number, 8);
        }
        const auto common = [&](std::string& text, const std::string& name, std::size_t extra_size, bool known) {
            put(text, 20, 2);
            put(text, entry.flags | (entry.descriptor ? 8 : 0), 2);
            put(text, entry.method, 2);
            put(text, 0, 4);
            put(text, known ? crc : 0, 4);
            put(text, !known ? 0 : entry.large_file ? 0xffffffff : packed, 4);
            put(text, !known ? 0 : entry.large_file ? 0xffffffff : size, 4);
            put(text, name.size(), 2);
            put(text, extra_size, 2);
        };
        out += "PK\3\4";
        const std::string& header_name = entry.header_name.value_or(entry.name);
        common(out, header_name, 0, !entry.descriptor);
        out += header_name + entry.content;
        if (entry.descriptor) {
            out += "PK\7\10";
            for (const std::uint64_t number : {std::uint64_t{crc}, packed, size}) put(out, number, 4);
        }
        directory += "PK\1\2";
        put(directory, 20 | 3u << 8, 2);
        common(directory, entry.name, extra.size(), true);
        put(directory, 0, 2);  // comment
        put(directory, 0, 2);  // disk
        put(directory, 0, 2);
        put(directory, std::uint32_t{entry.mode} << 16, 4);
        put(directory, entry.large_file ? 0xffffffff : at, 4);
        directory += entry.name + extra;
    }
    const std::size_t start = out.size(), size = directory.size() + end.missing;
    out += directory;
    if (end.large_file) {
        const std::size_t record = out.size();
        out += "PK\6\6";
        put(out, 44, 8);
        put(out, 45 | 45u << 16, 4);
        put(out, 0, 8);
        for (const std::size_t number : {entries.size(), entries.size(), size, start}) put(out, number, 8);
        out += "PK\6\7";
        put(out, 0, 4);
        put(out, record, 8);
        put(out, 1, 4);
    }
    out += "PK\5\6";
    put(out, 0, 4);
    put(out, end.large_file ? 0xffff : entries.size(), 2);
    put(out, end.large_file ? 0xffff : entries.size(), 2);
    put(out, end.large_file ? 0xffffffff : size, 4);
    put(out, end.large_file ? 0xffffffff : start, 4);
    put(out, end.comment.size(), 2);
    return out + end.comment;
}

/// Raw deflate data.
inline std::string deflated(std::string_view content) {
    z_stream stream{};
    if (::deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    std::string out(::deflateBound(&stream, content.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<unsigned>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<unsigned>(out.size());
    ::deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

/// A member as wheels have it.
inline ZipEntry deflated_entry(std::string name, std::string_view content) {
    return {std::move(name), deflated(content), 0, 8, crc32_of(content), static_cast<std::uint32_t>(content.size())};
}

struct TarEntry {
    std::string name, content;
    unsigned type = AE_IFREG;
    std::string link = {};
    bool hard_link = false;
};

/// A file that libarchive writes. `zeros`: a last member "zeros.so" of that many bytes.
inline std::string write_archive(const std::string& path, int format, int filter, const std::vector<TarEntry>& entries,
                                 std::uint64_t zeros = 0) {
    archive* out = archive_write_new();
    const auto check = [&](int status) {
        if (status < ARCHIVE_WARN) throw std::runtime_error(archive_error_string(out));
    };
    check(archive_write_set_format(out, format));
    check(archive_write_add_filter(out, filter));
    check(archive_write_open_filename(out, path.c_str()));
    const auto header = [&](const TarEntry& entry, std::uint64_t size) {
        archive_entry* e = archive_entry_new();
        archive_entry_set_pathname(e, entry.name.c_str());
        archive_entry_set_filetype(e, entry.type);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, static_cast<la_int64_t>(size));
        if (entry.hard_link)
            archive_entry_set_hardlink(e, entry.link.c_str());
        else if (!entry.link.empty())
            archive_entry_set_symlink(e, entry.link.c_str());
        check(archive_write_header(out, e));
        archive_entry_free(e);
    };
    for (const TarEntry& entry : entries) {
        header(entry, entry.content.size());
        if (!entry.content.empty()) archive_write_data(out, entry.content.data(), entry.content.size());
    }
    if (zeros > 0) {
        header({"zeros.so", ""}, zeros);
        const std::string block(1 << 20, '\0');
        for (std::uint64_t left = zeros; left > 0; left -= std::min<std::uint64_t>(left, block.size()))
            archive_write_data(out, block.data(), std::min<std::uint64_t>(left, block.size()));
    }
    check(archive_write_close(out));
    archive_write_free(out);
    return path;
}

inline std::string tar(const std::string& path, const std::vector<TarEntry>& entries,
                       int filter = ARCHIVE_FILTER_NONE) {
    return write_archive(path, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, filter, entries);
}

/// A .deb or other ar archive.
inline std::string ar(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string out = "!<arch>\n";
    for (const auto& [name, content] : members) {
        std::string header = name;
        header.resize(16, ' ');
        header += "0           0     0     100644  " + std::to_string(content.size());
        header.resize(58, ' ');
        out += header + "`\n" + content;
        if (content.size() % 2 != 0) out += '\n';
    }
    return out;
}

}  // namespace interlock::test
