// archive_names.cpp: the endings and magic numbers that decide it. Endings count in any case, and without the locale.
//
// SPDX-License-Identifier: MIT
#include "inputs/archive_names.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace interlock::auditing::inputs {
namespace {

using namespace std::string_view_literals;

// The locale's own functions would make the answer depend on who calls.
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool version_character(char c) noexcept {
    return digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '-';
}

/// ".1", ".1.2.3", ".2a": what follows ".so" in the name of a library with a version.
bool is_version(std::string_view text) noexcept {
    while (!text.empty()) {
        if (text.size() < 2 || text[0] != '.' || !digit(text[1])) return false;
        text.remove_prefix(2);
        while (!text.empty() && version_character(text[0])) text.remove_prefix(1);
    }
    return true;
}

bool starts_with(Head head, std::string_view magic, std::size_t at = 0) noexcept {
    return head.size() >= at + magic.size() && std::memcmp(head.data() + at, magic.data(), magic.size()) == 0;
}

template <std::size_t size>
bool ends_with_one_of(std::string_view name, const std::array<std::string_view, size>& endings) noexcept {
    return std::any_of(endings.begin(), endings.end(), [&](auto ending) { return ends_with_any_case(name, ending); });
}

constexpr std::array library_endings = {".so"sv, ".pyd"sv, ".dylib"sv, ".dll"sv, ".bundle"sv};
constexpr std::array zip_endings = {".whl"sv, ".zip"sv, ".conda"sv, ".egg"sv};
constexpr std::array tar_endings = {".tar"sv,    ".tar.gz"sv, ".tgz"sv,     ".tar.bz2"sv, ".tbz2"sv, ".tbz"sv,
                                    ".tar.xz"sv, ".txz"sv,    ".tar.zst"sv, ".tzst"sv,    ".tlz"sv,  ".tar.lzma"sv};
constexpr std::array ignored_folders = {".git"sv,        ".hg"sv,          ".svn"sv,
                                        "__pycache__"sv, ".mypy_cache"sv,  ".pytest_cache"sv,
                                        ".ruff_cache"sv, "node_modules"sv, "__MACOSX"sv};

}  // namespace

std::string_view file_name(std::string_view path) noexcept { return path.substr(path.rfind('/') + 1); }

bool ends_with_any_case(std::string_view text, std::string_view ending) noexcept {
    if (text.size() < ending.size()) return false;
    text.remove_prefix(text.size() - ending.size());
    return std::equal(text.begin(), text.end(), ending.begin(), [](char a, char b) { return lower(a) == b; });
}

bool is_library_name(std::string_view path) noexcept {
    const std::string_view name = file_name(path);
    if (name.starts_with("._")) return false;
    if (ends_with_one_of(name, library_endings)) return true;
    const std::size_t at = name.find(".so.");
    return at != name.npos && is_version(name.substr(at + 3));
}

bool is_manifest_name(std::string_view path) noexcept {
    return path.ends_with(manifest_ending) && file_name(path).size() > manifest_ending.size();
}

std::optional<ArchiveKind> archive_by_name(std::string_view path) noexcept {
    const std::string_view name = file_name(path);
    if (name.starts_with("._")) return std::nullopt;
    if (ends_with_one_of(name, zip_endings)) return ArchiveKind::zip;
    if (ends_with_one_of(name, tar_endings)) return ArchiveKind::tar;
    if (ends_with_any_case(name, ".deb")) return ArchiveKind::deb;
    return std::nullopt;
}

std::optional<ArchiveKind> archive_by_content(Head head) noexcept {
    // The second is an empty archive, the third one that was split and put together again.
    if (starts_with(head, "PK\3\4") || starts_with(head, "PK\5\6") || starts_with(head, "PK\7\10PK"))
        return ArchiveKind::zip;
    if (starts_with(head, "!<arch>\ndebian-binary")) return ArchiveKind::deb;
    if (starts_with(head, "ustar", 257) || compression_of(head) != Compression::none) return ArchiveKind::tar;
    return std::nullopt;
}

Compression compression_of(Head head) noexcept {
    if (starts_with(head, "\x1f\x8b"sv)) return Compression::gzip;
    if (starts_with(head, "BZh"sv) && head.size() > 3 && head[3] >= '1' && head[3] <= '9') return Compression::bzip2;
    if (starts_with(head,
                    "\xfd"
                    "7zXZ\0"sv))
        return Compression::xz;
    if (starts_with(head, "\x5d\0\0"sv)) return Compression::xz;  // .lzma, as everybody writes it
    if (starts_with(head, "\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
    return Compression::none;
}

bool looks_like_binary(Head head) noexcept {
    static constexpr std::array magics = {
        "\x7f"
        "ELF"sv,
        "MZ"sv,
        "\xfe\xed\xfa\xce"sv,
        "\xfe\xed\xfa\xcf"sv,
        "\xce\xfa\xed\xfe"sv,
        "\xcf\xfa\xed\xfe"sv,
        "\xca\xfe\xba\xbe"sv,
        "\xca\xfe\xba\xbf"sv};
    return std::any_of(magics.begin(), magics.end(), [&](auto magic) { return starts_with(head, magic); });
}

bool looks_like_text(Head head) noexcept {
    if (head.empty()) return false;
    return std::all_of(head.begin(), head.end(), [](std::uint8_t c) {
        return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\r' || c == '\t' || c == '\f';
    });
}

bool is_ignored_folder(std::string_view name) noexcept {
    return std::find(ignored_folders.begin(), ignored_folders.end(), name) != ignored_folders.end() ||
           ends_with_any_case(name, ".dsym");
}

bool is_importable(std::string_view name) noexcept {
    return !name.empty() && !digit(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || (c & 0x80) != 0;
    });
}

bool is_in_ignored_folder(std::string_view path) noexcept {
    for (std::size_t end; (end = path.find('/')) != path.npos; path.remove_prefix(end + 1))
        if (is_ignored_folder(path.substr(0, end))) return true;
    return false;
}

std::string_view below_import_root(std::string_view path) noexcept {
    static constexpr std::array roots = {"site-packages/"sv, "dist-packages/"sv, "lib-dynload/"sv, ".data/platlib/"sv,
                                         ".data/purelib/"sv};
    std::size_t start = 0;
    for (const std::string_view root : roots) {
        const std::size_t at = path.rfind(root);
        if (at == path.npos) continue;
        if (root[0] != '.' && at > 0 && path[at - 1] != '/') continue;
        start = std::max(start, at + root.size());
    }
    return path.substr(start);
}

}  // namespace interlock::auditing::inputs
