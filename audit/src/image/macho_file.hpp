// macho_file.hpp: one Mach-O image while it is read: what its load commands say, for the readers of its tables
// (chained fixups, dyld's opcodes, exports).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "image/bytes.hpp"
#include "image/image_builder.hpp"

namespace interlock::auditing::image {

/// A part of the file that a load command names.
struct MachPart {
    std::uint64_t offset = 0, size = 0;
    std::uint64_t end() const { return offset + size; }
};

struct MachSection {
    std::string_view name;
    std::uint64_t address = 0, size = 0, offset = 0, alignment = 1;
    std::uint32_t type = 0, first_indirect = 0, stub_size = 0;
};

/// All segments count for the numbers that dyld's tables use, also those that Image leaves out.
struct MachSegment {
    std::string_view name;
    std::uint64_t address = 0, size = 0;
    std::uint64_t file_offset = 0, file_size = 0;
    std::uint64_t command = 0;  ///< offset of the load command
    bool writable = false, executable = false, relro = false;
    std::vector<MachSection> sections;
};

struct MachSymbolTable {
    std::uint64_t symbols = 0, count = 0;
    MachPart strings;
};

/// The tables of LC_DYLD_INFO.
struct MachDyldInfo {
    MachPart rebase, bind, weak_bind, lazy_bind;
};

struct MachFile {
    explicit MachFile(const ByteView& bytes) : view(bytes), builder(bytes) {}

    ByteView view;
    ImageBuilder builder;
    std::vector<MachSegment> segments;
    std::vector<std::string_view> libraries;  ///< by ordinal - 1; unlike those of the image with repetitions
    std::uint64_t base = 0;                   ///< address of the Mach-O header
    std::optional<MachSymbolTable> symbols;
    std::optional<MachPart> indirect_symbols;
    std::optional<MachDyldInfo> dyld_info;
    std::optional<MachPart> exports_trie, chained_fixups;
    bool has_classic_relocations = false;
    const Names* also = nullptr;  ///< of exports that are wanted beside entry points

    /// Checks that the part lies in the file.
    MachPart part(std::uint64_t offset, std::uint64_t size, const char* what) const {
        (void)view.part(offset, size, what);
        return {offset, size};
    }
    /// The library that a two-level name space ordinal means; empty for the special ones: this image (0), the program
    /// (-1), any (-2), coalesced (-3).
    std::string_view library(std::int64_t ordinal, std::uint64_t offset) const;
    /// The import of this name, the same for all its places.
    std::uint32_t import(std::string_view name, std::int64_t ordinal, bool weak, std::uint64_t offset);

private:
    struct Key {
        std::string_view name;
        std::int64_t ordinal;
        bool weak;
        bool operator==(const Key&) const = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const noexcept {
            return std::hash<std::string_view>()(key.name) ^ (static_cast<std::size_t>(key.ordinal) * 31) ^ key.weak;
        }
    };
    std::unordered_map<Key, std::uint32_t, Hash> known_imports_;
};

/// Names of C functions begin with an underscore; others (dyld_stub_binder) stay as they are.
inline std::string_view without_underscore(std::string_view name) {
    return name.starts_with('_') ? name.substr(1) : name;
}

/// A read position within a part: numbers of the LEB128 kind, and texts.
class MachCursor {
public:
    MachCursor(MachFile& file, const MachPart& part, const char* what)
        : file_(&file), at_(part.offset), end_(part.end()), what_(what) {}

    bool at_end() const { return at_ == end_; }
    std::uint64_t at() const { return at_; }
    std::uint8_t u8() {
        if (at_end()) file_->view.malformed(at_, std::string(what_) + " end within an entry");
        return file_->view.u8(at_++, what_);
    }
    std::uint64_t uleb();
    std::int64_t sleb();
    /// Not counted by ImageBuilder::name(): the position moves on, so that each byte is read once.
    std::string_view text() {
        if (at_end()) file_->view.malformed(at_, std::string(what_) + " end within an entry");
        const auto result = file_->view.text(at_, what_, end_);
        at_ += result.size() + 1;
        return result;
    }

private:
    MachFile* file_;
    std::uint64_t at_, end_;
    const char* what_;
};

// Each fills the image of `file`.
void read_chained_fixups(MachFile& file, const MachPart& part);
void read_dyld_info(MachFile& file, const MachDyldInfo& info);
/// The entry points.
void read_mach_exports(MachFile& file);
/// What the image exports and may import from itself, and what else is wanted. After the fixups.
void add_other_exports(MachFile& file);

}  // namespace interlock::auditing::image
