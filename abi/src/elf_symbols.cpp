// elf_symbols.cpp: see elf_symbols.hpp. Layout of the tables: System V ABI, chapter 5, and for DT_GNU_HASH the binutils
// that introduced it.
//
// SPDX-License-Identifier: MIT
#include "elf_symbols.hpp"

#include <elf.h>
#include <algorithm>
#include <optional>

namespace interlock {
namespace {

// libclang-cpp, one of the largest libraries in use, has about 30 000 exported names; a module has a handful.
constexpr std::uint64_t max_symbols = 1U << 18;
constexpr std::uint64_t max_string_table = 6U << 20;
constexpr std::size_t max_suffixes = 4096;
constexpr std::size_t max_suffix_size = 1000;

/// The half-open range of symbol indices that a lookup by name can find.
struct SymbolRange {
    std::uint64_t first = 0, end = 0;
};

class SymbolReader {
public:
    explicit SymbolReader(const ElfView& elf) : elf_(elf), source_(elf.source()), decoder_(elf.decoder()) {}

    std::vector<std::vector<std::string>> suffixes(const DynamicInfo& info, std::span<const std::string_view> prefixes);

private:
    SymbolRange range(const DynamicInfo& info) const;
    SymbolRange range_from_hash(std::uint64_t address) const;
    SymbolRange range_from_gnu_hash(std::uint64_t address) const;
    std::string_view name(std::string_view strings, std::uint64_t index, std::uint64_t symbol_at) const;
    bool callable(ByteSource::Bytes symbol) const;
    void check_count(std::uint64_t count, std::uint64_t offset) const;

    const ElfView& elf_;
    const ByteSource& source_;
    const Decoder& decoder_;
};

void SymbolReader::check_count(std::uint64_t count, std::uint64_t offset) const {
    if (count > max_symbols) {
        source_.too_large(offset, "more dynamic symbols than interlock reads (" + std::to_string(max_symbols) + ")");
    }
}

SymbolRange SymbolReader::range(const DynamicInfo& info) const {
    // The dynamic linker prefers the GNU table; a file could state different things in the two.
    if (info.gnu_hash) return range_from_gnu_hash(*info.gnu_hash);
    if (info.hash) return range_from_hash(*info.hash);
    return {};
}

SymbolRange SymbolReader::range_from_hash(std::uint64_t address) const {
    // Two architectures use 64-bit entries against the rule.
    const bool wide_entries = decoder_.wide() && (elf_.machine() == EM_S390 || elf_.machine() == EM_ALPHA);
    const std::uint64_t entry = wide_entries ? 8 : 4;
    const auto place = elf_.place(address, "the symbol hash table");
    if (place.available < 2 * entry) source_.malformed(place.offset, "the symbol hash table runs out of its segment");
    ByteSource::Buffer buffer;
    const auto header = source_.read(place.offset, 2 * entry, "the symbol hash table", buffer);
    const std::uint64_t count = wide_entries ? decoder_.u64(header, 8) : decoder_.u32(header, 4);
    check_count(count, place.offset);
    return {0, count};
}

SymbolRange SymbolReader::range_from_gnu_hash(std::uint64_t address) const {
    constexpr const char* what = "the GNU symbol hash table";
    const auto place = elf_.place(address, what);
    ByteSource::Buffer buffer;
    std::uint64_t used = 0;  // bytes of the table that are behind us
    auto take = [&](std::uint64_t length) {
        if (length > place.available - used) {
            source_.malformed(place.offset + used, std::string(what) + " runs out of its segment");
        }
        used += length;
        return place.offset + used - length;
    };
    const auto header = source_.read(take(16), 16, what, buffer);
    const std::uint64_t buckets = decoder_.u32(header, 0);
    const std::uint64_t first = decoder_.u32(header, 4);
    const std::uint64_t bloom_words = decoder_.u32(header, 8);
    check_count(buckets, place.offset);
    check_count(first, place.offset);
    take(bloom_words * decoder_.word_size());
    const auto bucket_bytes = source_.read(take(buckets * 4), buckets * 4, what, buffer);
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < buckets; ++i) last = std::max<std::uint64_t>(last, decoder_.u32(bucket_bytes, i * 4));
    if (last == 0) return {first, first};  // no bucket is used
    if (last < first) source_.malformed(place.offset, std::string(what) + " names a symbol before its first one");
    check_count(last, place.offset);
    // The chain of the last bucket ends with an odd value; it tells how many symbols there are.
    take((last - first) * 4);
    while (true) {
        const std::uint64_t piece = std::min<std::uint64_t>((place.available - used) & ~std::uint64_t{3}, 4096);
        if (piece == 0) source_.malformed(place.offset + used, std::string(what) + " has a chain without an end");
        const auto chain = source_.read(take(piece), piece, what, buffer);
        for (std::size_t at = 0; at < piece; at += 4, ++last) {
            if ((decoder_.u32(chain, at) & 1) != 0) return {first, last + 1};
        }
        check_count(last, place.offset);
    }
}

std::string_view SymbolReader::name(std::string_view strings, std::uint64_t index, std::uint64_t symbol_at) const {
    if (index >= strings.size()) {
        source_.malformed(symbol_at, "the name of a symbol lies beyond the string table");
    }
    return strings.substr(static_cast<std::size_t>(index));
}

bool SymbolReader::callable(ByteSource::Bytes symbol) const {
    const bool wide = decoder_.wide();
    const auto info = symbol[wide ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info)];
    const auto other = symbol[wide ? offsetof(Elf64_Sym, st_other) : offsetof(Elf32_Sym, st_other)];
    const auto section = decoder_.u16(symbol, wide ? offsetof(Elf64_Sym, st_shndx) : offsetof(Elf32_Sym, st_shndx));
    const auto value = decoder_.word(symbol, wide ? offsetof(Elf64_Sym, st_value) : offsetof(Elf32_Sym, st_value));
    const unsigned binding = info >> 4;
    const unsigned type = info & 0xf;
    const unsigned visibility = other & 3;
    return section != SHN_UNDEF && section != SHN_ABS && (binding == STB_GLOBAL || binding == STB_WEAK) &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED) && elf_.executable(value);
}

std::vector<std::vector<std::string>> SymbolReader::suffixes(const DynamicInfo& info,
                                                             std::span<const std::string_view> prefixes) {
    std::vector<std::vector<std::string>> found(prefixes.size());
    if (!info.symbols || !info.strings || !info.string_size) return found;
    const SymbolRange indices = range(info);
    if (indices.first >= indices.end) return found;

    const std::uint64_t size = decoder_.wide() ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    if (info.symbol_size.value_or(size) != size) {
        source_.malformed(0, "the size of a dynamic symbol is " + std::to_string(*info.symbol_size) + ", not " +
                                 std::to_string(size));
    }
    const auto table = elf_.place(*info.symbols, "the dynamic symbol table");
    if (indices.end > table.available / size) {
        source_.malformed(table.offset, "the dynamic symbol table (" + std::to_string(indices.end) +
                                            " symbols) runs out of its segment");
    }
    const auto text = elf_.place(*info.strings, "the dynamic string table");
    if (*info.string_size > text.available) {
        source_.malformed(text.offset, "the dynamic string table (" + std::to_string(*info.string_size) +
                                           " bytes) runs out of its segment");
    }
    if (*info.string_size > max_string_table) {
        source_.too_large(text.offset, "a dynamic string table of " + std::to_string(*info.string_size) +
                                           " bytes; interlock reads at most " + std::to_string(max_string_table));
    }
    ByteSource::Buffer string_buffer;
    const auto string_bytes = source_.read(text.offset, *info.string_size, "the dynamic string table", string_buffer);
    const std::string_view strings(reinterpret_cast<const char*>(string_bytes.data()), string_bytes.size());

    constexpr std::uint64_t symbols_per_read = 4096;
    std::size_t total = 0;
    ByteSource::Buffer symbol_buffer;
    for (std::uint64_t index = indices.first; index < indices.end; index += symbols_per_read) {
        const auto count = std::min(symbols_per_read, indices.end - index);
        const auto offset = table.offset + index * size;
        const auto symbols = source_.read(offset, count * size, "the dynamic symbol table", symbol_buffer);
        for (std::size_t i = 0; i < count; ++i) {
            const auto symbol = symbols.subspan(i * size, size);
            if (!callable(symbol)) continue;
            const std::string_view rest = name(strings, decoder_.u32(symbol, 0), offset + i * size);
            for (std::size_t p = 0; p < prefixes.size(); ++p) {
                if (!rest.starts_with(prefixes[p])) continue;
                const auto suffix = rest.substr(prefixes[p].size(), max_suffix_size + 1);
                const auto length = suffix.find('\0');
                if (length == std::string_view::npos) {
                    source_.malformed(offset + i * size, "the name of a module entry point does not end, or is over " +
                                                             std::to_string(max_suffix_size) + " bytes long");
                }
                if (length == 0) continue;
                if (++total > max_suffixes) source_.too_large(offset, "too many module entry points");
                found[p].emplace_back(suffix.substr(0, length));
            }
        }
    }
    for (auto& names : found) {
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    return found;
}

}  // namespace

std::vector<std::vector<std::string>> exported_suffixes(const ElfView& elf, const DynamicInfo& info,
                                                        std::span<const std::string_view> prefixes) {
    return SymbolReader(elf).suffixes(info, prefixes);
}

}  // namespace interlock
