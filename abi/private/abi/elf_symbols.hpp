// elf_symbols.hpp: the tables of symbols that the dynamic section leads to, and how many there are, which only the hash
// tables say. Throws Failure. Layout: System V ABI, chapter 5, and for DT_GNU_HASH the binutils that introduced it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <elf.h>

#include <cstdint>
#include <optional>

#include "abi/elf_dynamic.hpp"
#include "abi/elf_view.hpp"

namespace interlock {

struct ElfSymbol {
    std::uint64_t value = 0;
    std::uint32_t name = 0;  ///< offset in the string table
    std::uint16_t section = 0;
    std::uint8_t info = 0, other = 0;

    static std::uint64_t size_in(const Decoder& decoder) noexcept {
        return decoder.wide() ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    }
    /// `bytes` are those of one symbol.
    static ElfSymbol decode(const Decoder& decoder, ByteSource::Bytes bytes);

    bool defined() const noexcept { return section != SHN_UNDEF; }
    bool absolute() const noexcept { return section == SHN_ABS; }
    unsigned type() const noexcept { return info & 15u; }
    unsigned binding() const noexcept { return info >> 4u; }
    unsigned visibility() const noexcept { return other & 3u; }
};

// `buffer` is for what has to be fetched; nothing of it is kept.

/// The newer hash table: how many there are of what, and the offsets in the file.
struct GnuHash {
    GnuHash(const ElfView& elf, const ElfPlace& place, ByteSource::Buffer& buffer);

    std::uint64_t buckets, first, filters, shift;
    std::uint64_t filters_at, buckets_at, chains_at;
    std::uint64_t end;  ///< of what there is of chains
};

/// The older one.
struct SysvHash {
    /// `symbols` is how many have room in their table.
    SysvHash(const ElfView& elf, const ElfPlace& place, std::uint64_t symbols, ByteSource::Buffer& buffer);

    std::uint64_t buckets, symbols;
    unsigned word = 4;  ///< bytes of one number
};

/// Where the tables are in the file; none has no bytes.
struct SymbolTables {
    SymbolTables() = default;
    /// Needs symbols and strings in `info`.
    SymbolTables(const ElfView& elf, const DynamicInfo& info, const AddressMap& map, ByteSource::Buffer& buffer);

    ElfPlace symbols, strings, versions, hash_place;
    std::optional<GnuHash> gnu_hash;
    std::optional<SysvHash> hash;  ///< only without the other, as the dynamic linker prefers that

    /// The half-open range of indices of symbols that a lookup by name can find; within the table.
    struct Range {
        std::uint64_t first = 0, end = 0;
    };
    Range range(const ElfView& elf, ByteSource::Buffer& buffer) const;
};

}  // namespace interlock
