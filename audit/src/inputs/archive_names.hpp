// archive_names.hpp: what a file is by its name and by its first bytes: a library, an archive, or of no interest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace interlock::auditing::inputs {

enum class ArchiveKind : std::uint8_t { zip, tar, deb };
enum class Compression : std::uint8_t { none, gzip, bzip2, xz, zstd };

/// How many of the first bytes the functions below want to see.
inline constexpr std::size_t head_size = 1024;
using Head = std::span<const std::uint8_t>;

/// x.so, x.so.1.2, x.pyd, x.dylib, x.dll, x.bundle; in any case; not the "._x.so" that macOS leaves in archives.
bool is_library_name(std::string_view path) noexcept;
/// The manifest of a binary: "x.so.interlock.json".
bool is_manifest_name(std::string_view path) noexcept;
inline constexpr std::string_view manifest_ending = ".interlock.json";

/// By the ending of the name: .whl, .zip, .conda, .egg, .tar, .tar.gz, .tgz, ..., .deb.
std::optional<ArchiveKind> archive_by_name(std::string_view path) noexcept;
/// By the first bytes; something compressed is taken for a tar, as single compressed files are not read.
std::optional<ArchiveKind> archive_by_content(Head head) noexcept;
Compression compression_of(Head head) noexcept;

/// ELF, PE or Mach-O by its first bytes.
bool looks_like_binary(Head head) noexcept;
/// Printable from the first to the last byte, and not empty: a linker script, say.
bool looks_like_text(Head head) noexcept;

/// Folders in which there is nothing to audit: version control, caches, debug information of macOS.
bool is_ignored_folder(std::string_view name) noexcept;
/// Whether a statement can import a package from a folder of this name.
bool is_importable(std::string_view name) noexcept;
/// Whether a member of an archive lies in such a folder.
bool is_in_ignored_folder(std::string_view path) noexcept;

std::string_view file_name(std::string_view path) noexcept;
bool ends_with_any_case(std::string_view text, std::string_view ending) noexcept;  ///< `ending` in lower case

/// Below the folder from which Python imports, as far as the path tells: behind site-packages, dist-packages,
/// lib-dynload, or a wheel's x.data/platlib; else the path as it is.
std::string_view below_import_root(std::string_view path) noexcept;

}  // namespace interlock::auditing::inputs
