// archive_maker.hpp: makes archives, right and wrong, for the tests of the inputs. Zip files are written by hand, so
// that anything in them can be false; the rest by libarchive.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace interlock::test {

/// A folder for one test; removes it.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "interlock-inputs-XXXXXX").native();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder for a test");
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(std::string_view name) const { return (path_ / name).native(); }
    const std::filesystem::path& path() const { return path_; }

    /// Writes a file, with the folders around it; returns its path.
    std::string write(std::string_view name, std::string_view content) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
        return file.native();
    }

private:
    std::filesystem::path path_;
};

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
    std::string name, content;
    std::uint16_t flags = 0, method = 0;
    std::optional<std::uint32_t> crc = std::nullopt;
    std::optional<std::uint32_t> size = std::nullopt;  ///< as claimed
};

/// A zip archive of stored members.
inline std::string zip(const std::vector<ZipEntry>& entries) {
    std::string out, directory;
    const auto put = [](std::string& text, std::uint64_t value, unsigned size) {
        for (unsigned i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i));
    };
    for (const ZipEntry& entry : entries) {
        const std::size_t at = out.size();
        const std::uint32_t crc = entry.crc.value_or(crc32_of(entry.content));
        const auto common = [&](std::string& text) {
            put(text, 20, 2);
            put(text, entry.flags, 2);
            put(text, entry.method, 2);
            put(text, 0, 4);
            put(text, crc, 4);
            put(text, entry.content.size(), 4);
            put(text, entry.size.value_or(static_cast<std::uint32_t>(entry.content.size())), 4);
            put(text, entry.name.size(), 2);
            put(text, 0, 2);
        };
        out += "PK\3\4";
        common(out);
        out += entry.name + entry.content;
        directory += "PK\1\2";
        put(directory, 20, 2);
        common(directory);
        put(directory, 0, 2);  // comment
        put(directory, 0, 2);  // disk
        put(directory, 0, 2);
        put(directory, 0100644u << 16, 4);
        put(directory, at, 4);
        directory += entry.name;
    }
    const std::size_t at = out.size();
    out += directory + "PK\5\6";
    put(out, 0, 4);
    put(out, entries.size(), 2);
    put(out, entries.size(), 2);
    put(out, directory.size(), 4);
    put(out, at, 4);
    put(out, 0, 2);
    return out;
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
