// elf_symbols.cpp: a hash table is read in pieces, as of a large one little is needed: the buckets, and the last chain.
//
// SPDX-License-Identifier: MIT
#include "abi/elf_symbols.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "abi/elf_limits.hpp"

namespace interlock {
namespace {

constexpr const char* gnu_table = "the GNU symbol hash table";
constexpr const char* sysv_table = "the symbol hash table";

void check_count(const ElfView& elf, std::uint64_t count, std::uint64_t offset) {
    if (count <= elf_limits::symbols) return;
    elf.source().too_large(offset,
                           "more dynamic symbols than interlock reads (" + std::to_string(elf_limits::symbols) + ")");
}

/// The offset of the next `length` bytes, after which `at` is behind them.
std::uint64_t take(const ElfView& elf, std::uint64_t& at, std::uint64_t end, std::uint64_t length) {
    if (length > end - at) elf.source().malformed(at, std::string(gnu_table) + " runs out of its segment");
    at += length;
    return at - length;
}

SymbolTables::Range range_of(const ElfView& elf, const GnuHash& hash, ByteSource::Buffer& buffer) {
    const ByteSource& source = elf.source();
    const Decoder& decoder = elf.decoder();
    const auto buckets = source.read(hash.buckets_at, hash.buckets * 4, gnu_table, buffer);
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < hash.buckets; ++i) last = std::max<std::uint64_t>(last, decoder.u32(buckets, i * 4));
    if (last == 0) return {hash.first, hash.first};  // no bucket is used
    if (last < hash.first) {
        source.malformed(hash.buckets_at, std::string(gnu_table) + " names a symbol before its first one");
    }
    check_count(elf, last, hash.buckets_at);
    // The chain of the last bucket ends with an odd value; it tells how many symbols there are.
    std::uint64_t at = hash.chains_at;
    take(elf, at, hash.end, (last - hash.first) * 4);
    while (true) {
        const std::uint64_t piece = std::min<std::uint64_t>((hash.end - at) & ~std::uint64_t{3}, 4096);
        if (piece == 0) source.malformed(at, std::string(gnu_table) + " has a chain without an end");
        const auto chain = source.read(take(elf, at, hash.end, piece), piece, gnu_table, buffer);
        for (std::size_t i = 0; i < piece; i += 4, ++last) {
            if ((decoder.u32(chain, i) & 1) != 0) return {hash.first, last + 1};
        }
        check_count(elf, last, at);
    }
}

/// As long as the file says.
ElfPlace string_table(const ElfView& elf, const DynamicInfo& info, const AddressMap& map) {
    ElfPlace place = map.place(*info.strings, "the dynamic string table");
    const std::uint64_t size = info.string_size.value_or(0);
    if (size > place.available) {
        elf.source().malformed(place.offset,
                               "the dynamic string table (" + std::to_string(size) + " bytes) runs out of its segment");
    }
    place.available = size;
    return place;
}

}  // namespace

ElfSymbol ElfSymbol::decode(const Decoder& decoder, ByteSource::Bytes bytes) {
    const bool wide = decoder.wide();
    ElfSymbol symbol;
    symbol.name = decoder.u32(bytes, 0);
    symbol.info = bytes[wide ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info)];
    symbol.other = bytes[wide ? offsetof(Elf64_Sym, st_other) : offsetof(Elf32_Sym, st_other)];
    symbol.section = decoder.u16(bytes, wide ? offsetof(Elf64_Sym, st_shndx) : offsetof(Elf32_Sym, st_shndx));
    symbol.value = decoder.word(bytes, wide ? offsetof(Elf64_Sym, st_value) : offsetof(Elf32_Sym, st_value));
    return symbol;
}

GnuHash::GnuHash(const ElfView& elf, const ElfPlace& place, ByteSource::Buffer& buffer)
    : end(place.offset + place.available) {
    const Decoder& decoder = elf.decoder();
    std::uint64_t at = place.offset;
    const auto header = elf.source().read(take(elf, at, end, 16), 16, gnu_table, buffer);
    buckets = decoder.u32(header, 0);
    first = decoder.u32(header, 4);
    filters = decoder.u32(header, 8);
    shift = decoder.u32(header, 12);
    check_count(elf, buckets, place.offset);
    check_count(elf, first, place.offset);
    // 32-bit numbers in 64-bit arithmetic: no product here can overflow.
    filters_at = take(elf, at, end, filters * decoder.word_size());
    buckets_at = take(elf, at, end, buckets * 4);
    chains_at = at;
}

SysvHash::SysvHash(const ElfView& elf, const ElfPlace& place, std::uint64_t room, ByteSource::Buffer& buffer) {
    const Decoder& decoder = elf.decoder();
    // Two architectures use 64-bit numbers against the rule, but not with every linker.
    const bool may_be_wide = decoder.wide() && (elf.machine() == EM_S390 || elf.machine() == EM_ALPHA);
    const std::uint64_t size = may_be_wide ? 16 : 8;
    if (place.available < size) {
        elf.source().malformed(place.offset, std::string(sysv_table) + " runs out of its segment");
    }
    const auto header = elf.source().read(place.offset, size, sysv_table, buffer);
    buckets = decoder.u32(header, 0);
    symbols = decoder.u32(header, 4);
    if (may_be_wide) {
        const std::uint64_t wide_symbols = decoder.u64(header, 8);
        if (symbols == 0 || (wide_symbols >> 32 == 0 && wide_symbols <= room)) {
            buckets = decoder.u64(header, 0);
            symbols = wide_symbols;
            word = 8;
        }
    }
    check_count(elf, symbols, place.offset);
}

SymbolTables::SymbolTables(const ElfView& elf, const DynamicInfo& info, const AddressMap& map,
                           ByteSource::Buffer& buffer)
    : symbols(map.place(*info.symbols, "the dynamic symbol table")) {
    const std::uint64_t size = ElfSymbol::size_in(elf.decoder());
    if (info.symbol_size.value_or(size) != size) {
        elf.source().malformed(0, "the size of a dynamic symbol is " + std::to_string(*info.symbol_size) + ", not " +
                                      std::to_string(size));
    }
    strings = string_table(elf, info, map);
    if (info.versions) versions = map.place(*info.versions, "the versions of symbols");
    // A file could state different things in the two.
    if (info.gnu_hash) {
        hash_place = map.place(*info.gnu_hash, gnu_table);
        gnu_hash.emplace(elf, hash_place, buffer);
    } else if (info.hash) {
        hash_place = map.place(*info.hash, sysv_table);
        hash.emplace(elf, hash_place, symbols.available / size, buffer);
    }
}

SymbolTables::Range SymbolTables::range(const ElfView& elf, ByteSource::Buffer& buffer) const {
    const Range range = gnu_hash ? range_of(elf, *gnu_hash, buffer) : Range{0, hash ? hash->symbols : 0};
    if (range.end > symbols.available / ElfSymbol::size_in(elf.decoder())) {
        elf.source().malformed(symbols.offset, "the dynamic symbol table (" + std::to_string(range.end) +
                                                   " symbols) runs out of its segment");
    }
    return range;
}

}  // namespace interlock
