// interlock/manifest.hpp: a manifest states the marker of a binary that carries none, in a file beside it
// (NAME.so.interlock.json), and is pinned to that binary by its hash or build-id. Format: schema/manifest.schema.json.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/diagnostic.hpp>
#include <interlock/export.hpp>
#include <interlock/level.hpp>
#include <interlock/result.hpp>

namespace interlock {

struct Manifest {
    std::filesystem::path path;
    std::string module;                   ///< full dotted name
    std::optional<std::string> sha256;    ///< hex; at least one of these two
    std::optional<std::string> build_id;  ///< hex
    ThreadingLevel threading = ThreadingLevel::global_lock;
    std::string declared_by;
    std::string reason;
};

/// A manifest and what there is to say about its file; usable when no diagnostic is an error.
struct ManifestFile {
    Manifest manifest;
    Diagnostics diagnostics;
};

/// "x.so" -> "x.so.interlock.json"
IL_API std::filesystem::path manifest_path(const std::filesystem::path& binary);

/// Parses text; never throws for bad input. [any-thread]
IL_API ManifestFile parse_manifest(std::string_view text, const std::filesystem::path& path);
/// Reads the manifest of `binary`: nullopt when there is none. Errors: unreadable.
IL_API Result<std::optional<ManifestFile>> read_manifest_of(const std::filesystem::path& binary);

/// Whether the manifest is for a file: all hashes that it gives must be the file's. Empty if it is, else which one is
/// not: "it is for build-id 0a1b, the file has none". `build_id` is empty for a file without; `sha256` is only called
/// where the manifest gives one.
IL_API std::string manifest_mismatch(const Manifest& manifest, std::string_view build_id,
                                     const std::function<std::string()>& sha256);

/// The JSON text of a manifest on one line, as the warnings print it to paste.
IL_API std::string to_json_text(const Manifest& manifest);

}  // namespace interlock
