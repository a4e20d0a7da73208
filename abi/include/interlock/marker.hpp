// interlock/marker.hpp: reads what a shared library says of itself, without loading it: the marker notes, the build-id,
// which module entry points it exports, and what it is linked to. ELF, both classes and byte orders; no code of the
// file runs, no LLVM. The layout of the note is in module.h; of ELF in the System V ABI, chapters 4 and 5.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/file_identity.hpp>
#include <interlock/level.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// One marker note.
struct Marker {
    std::string module;                       ///< full dotted name
    std::string version;                      ///< of the module; may be empty
    unsigned abi = 0;                         ///< IL_ABI_VERSION it was compiled with
    std::string threading_text;               ///< as written
    std::optional<ThreadingLevel> threading;  ///< nullopt when threading_text is none that this version knows
    std::uint64_t offset = 0;                 ///< of the note in the file, bytes
};

/// Which libraries the dynamic linker pulls in for a file, and where the file says that they are.
struct Linkage {
    std::vector<std::string> needed;  ///< DT_NEEDED, DT_AUXILIARY and DT_FILTER as written, in file order
    std::string soname;               ///< its own name, DT_SONAME
    std::string rpath, runpath;       ///< folders as written, separated by ':'
    bool no_default_folders = false;  ///< the system's folders are not for it
};

/// What the reader found.
struct ModuleFile {
    std::filesystem::path path;
    FileIdentity identity;
    std::vector<Marker> markers;    ///< in file order; more than one when several modules share a file
    std::string notes;              ///< the bytes of all note segments, in the order of the program headers
    std::string build_id;           ///< lower-case hex of NT_GNU_BUILD_ID, or empty
    unsigned machine = 0;           ///< e_machine
    bool native = false;            ///< class, byte order and machine are those of this process
    bool has_entry_points = false;  ///< they have been read
    /// Names behind il_module_export_ and il_module_init_ in the dynamic symbol table, sorted.
    std::vector<std::string> exports, legacy_inits;
    /// The same behind PyInit_ and PyModExport_: modules of CPython. Empty for an interpreter, which has its own like
    /// that.
    std::vector<std::string> python_inits;
    Linkage linkage;

    /// The marker of the module `name`, or null: by full name.
    const Marker* marker_for(std::string_view name) const noexcept;
};

/// Which parts to read: entry points cost a walk through the symbol table, which an import does not need.
enum class ReadDepth : std::uint8_t { markers, entry_points };

/// Reads `path`. Follows symbolic links; refuses what is not a regular file without blocking (FIFO, device).
/// Errors: not_found, unreadable, malformed_file (not ELF, not a shared library, or out of bounds), malformed_marker,
/// unsupported (tables beyond what this reader takes: far larger than any module has, so that no file is a burden).
/// Messages name file, offset and reason. Reads at most 16 MiB whatever the file claims. [any-thread]
IL_API Result<ModuleFile> read_module_file(const std::filesystem::path& path,
                                           ReadDepth depth = ReadDepth::entry_points);

/// The same for an image in memory (fuzzing, archives). `name` is used in messages; identity stays zero except size.
IL_API Result<ModuleFile> read_module_image(std::span<const std::uint8_t> image, const std::string& name,
                                            ReadDepth depth = ReadDepth::entry_points);

/// The description of one marker note, with or without the zeros that fill it up: parsed, checked. A threading level
/// or key that this version does not know is accepted; all else that departs from the form is malformed_marker. `where`
/// (the file) and `offset` go into messages. [any-thread]
IL_API Result<Marker> parse_marker(std::string_view json, const std::string& where, std::uint64_t offset);

}  // namespace interlock
