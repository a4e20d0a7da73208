// image.hpp: one compiled shared library as its dynamic linker would see it: segments, what has to be relocated, what
// it imports and exports. Readers for ELF, PE and Mach-O fill it; nothing here depends on the format.
// All addresses are those that the file was linked for ("file addresses").
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <interlock/result.hpp>

namespace interlock::auditing::image {

using Bytes = std::span<const std::uint8_t>;

enum class Format : std::uint8_t { elf, pe, macho };

enum class Architecture : std::uint8_t {
    other,
    x86_64,
    i386,
    aarch64,
    arm,
    ppc64,
    ppc64le,
    s390x,
    riscv64,
    riscv32,
    loongarch64,
    mips,
    wasm
};
std::string_view architecture_name(Architecture architecture) noexcept;

/// A range of the loaded image. What `data` does not cover is zero. Segments are sorted and do not overlap.
struct Segment {
    std::uint64_t address = 0, size = 0;
    Bytes data;  ///< into the file; not longer than `size`
    bool writable = false, executable = false;
    bool relro = false;  ///< constant after relocation
};

/// A place that the dynamic linker writes to.
struct Fixup {
    enum class Kind : std::uint8_t {
        rebase,          ///< an address inside the image: `value` is the file address that is meant
        import,          ///< imports[import] plus `value`
        tls_module,      ///< the number of the image's thread-local block
        tls_offset,      ///< offset `value` inside this block (or of the import), for the general dynamic model
        tls_from_base,   ///< the same, from the thread pointer
        tls_descriptor,  ///< two words: a function and its argument, the offset `value`
        indirect,        ///< the result of calling the resolver function at file address `value` (IFUNC)
    };
    std::uint64_t address = 0;  ///< file address of the place
    std::uint64_t value = 0;
    std::uint32_t import = 0;  ///< for import; for the tls kinds no_import or an import
    Kind kind = Kind::rebase;
    std::uint8_t width = 8;  ///< of a word: 4 or 8
    static constexpr std::uint32_t no_import = ~0u;

    /// Bytes written.
    std::uint64_t size() const noexcept { return kind == Kind::tls_descriptor ? 2u * width : width; }
};

struct Import {
    std::string_view name;      ///< into the file, as stored (Mach-O: with its leading underscore removed)
    std::string_view library;   ///< "python313t.dll", where the format says it; else empty
    bool weak = false;          ///< may be missing
    bool function = false;      ///< known to be a function (symbol type, or called through a stub)
    std::uint32_t ordinal = 0;  ///< PE imports without a name; then `name` is empty
};

struct Export {
    std::string_view name;      ///< as for imports
    std::uint64_t address = 0;  ///< file address; 0 when forwarded
    std::string_view forward;   ///< PE and Mach-O re-exports: "other.PyInit_x"
};

struct Image {
    Format format = Format::elf;
    Architecture architecture = Architecture::other;
    bool wide = true;         ///< 64-bit pointers
    bool little = true;       ///< byte order
    std::string description;  ///< "ELF64 little-endian", "PE32+", "Mach-O 64-bit"
    std::string platform;     ///< "linux", "windows", "macos", "ios", ...

    std::vector<Segment> segments;
    std::vector<Fixup> fixups;         ///< sorted by address
    std::uint64_t unknown_fixups = 0;  ///< relocations of a kind that this version does not know; left out
    std::vector<Import> imports;
    /// Of entry points of modules (PyInit*, PyModExport*, il_module_*), of what the image imports from itself, and of
    /// what the reader was asked for; not everything that is exported. Sorted by name.
    std::vector<Export> exports;
    std::vector<std::string_view> defined;  ///< ELF: all names that others can find, in no order
    // Functions that run when the image is loaded, in this order; not read from PE, where the C library runs them.
    std::vector<std::uint64_t> constructors;                          ///< file addresses
    std::uint64_t constructor_table = 0, constructor_table_size = 0;  ///< words, relocated; bytes
    std::vector<std::string_view> libraries;                          ///< that it is linked against, in order
    /// Where these are looked for: DT_RPATH and DT_RUNPATH, split at colons; LC_RPATH. "$ORIGIN/../x.libs".
    std::vector<std::string_view> library_folders;
    std::string build_id;  ///< hex, or empty

    // The template of the thread-local block.
    Bytes tls_data;
    std::uint64_t tls_size = 0, tls_alignment = 1;
    std::uint64_t tls_index_address = 0;  ///< PE: where the loader stores the block's number; 0 = none

    /// Texts that views refer to, where the file does not hold them in one piece (names of a Mach-O export trie).
    std::vector<std::shared_ptr<const std::string>> texts;

    std::uint64_t writable_globals = 0;  ///< bytes of writable data without relro

    const Export* find_export(std::string_view name) const noexcept;
    /// Whether [address, address + size) lies within one segment.
    bool has_memory(std::uint64_t address, std::uint64_t size) const noexcept;
    /// The bytes at a file address, at most `size`: shorter at the end of the file's part of a segment. Not relocated.
    Bytes bytes_at(std::uint64_t address, std::uint64_t size) const noexcept;
};

/// What __tls_get_addr() adds to an offset: such offsets in files are smaller by as much (TLS_DTV_OFFSET of the ABIs).
constexpr std::uint64_t tls_bias(Architecture architecture) noexcept {
    switch (architecture) {
        case Architecture::riscv32:
        case Architecture::riscv64:
            return 0x800;
        case Architecture::ppc64:
        case Architecture::ppc64le:
            return 0x8000;
        default:
            return 0;
    }
}

/// True for names of which Image::exports keeps the address.
bool is_entry_point(std::string_view name) noexcept;
/// True for an init function that no import finds: PyInit_x of another file calls it ("Wrapped_PyInit_x", as jaxlib and
/// TensorFlow have it in one library for all their modules).
bool is_init_of_another(std::string_view name) noexcept;
/// Whether names of entry points begin like this.
bool may_become_entry_point(std::string_view start) noexcept;

/// Names of exports, without the underscore of Mach-O.
using Names = std::unordered_set<std::string_view>;

/// What a reader has to know of the process that a file is for. Null: nothing.
struct ReadOptions {
    /// Exports of these names are kept as well, which a module wants from a library that it is linked to; functions
    /// and variables, not what is thread-local or chosen by a resolver (IFUNC).
    const Names* also = nullptr;
    /// What an ELF library defines and yet gets from the module, or a library before it, that define it too.
    const Names* interposed = nullptr;
    /// Whether the process has it before it loads the file, so that an ELF library gets it from there.
    bool (*is_of_process)(std::string_view name) noexcept = nullptr;
};

/// The slices of a file: one, except for fat Mach-O files. Views into `file`, which has to outlive them. Everything
/// is checked; sizes of tables are bounded by the size of the file. Errors: malformed_file ("not a shared library:
/// ...", with offset and reason), unreadable (it may well be a module, and has more than this reader manages),
/// unsupported (a format that is recognised and not read: wasm, an object file, an archive). `name` is for messages.
Result<std::vector<Image>> read_images(Bytes file, const std::string& name, const ReadOptions& options = {});

// One for each format; read_images() chooses.
Result<Image> read_elf(Bytes file, const std::string& name, const ReadOptions& options = {});
Result<Image> read_pe(Bytes file, const std::string& name, const Names* also = nullptr);
Result<std::vector<Image>> read_macho(Bytes file, const std::string& name, const Names* also = nullptr);

}  // namespace interlock::auditing::image
