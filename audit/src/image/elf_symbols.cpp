// elf_symbols.cpp: see elf_symbols.hpp. Layout: System V ABI, chapter 5; the newer hash table and the versions as GNU's
// linkers write them.
//
// SPDX-License-Identifier: MIT
#include "image/elf_symbols.hpp"

#include <elf.h>

#include <algorithm>

namespace interlock::auditing::image {

namespace {

constexpr const char* hash_table = "the hash table";

std::uint32_t hash_of(std::string_view name) noexcept {
    std::uint32_t hash = 0;
    for (const char c : name) {
        hash = (hash << 4) + static_cast<std::uint8_t>(c);
        hash = (hash ^ ((hash & 0xf0000000) >> 24)) & 0x0fffffff;
    }
    return hash;
}

std::uint32_t gnu_hash_of(std::string_view name) noexcept {
    std::uint32_t hash = 5381;
    for (const char c : name) hash = hash * 33 + static_cast<std::uint8_t>(c);
    return hash;
}

/// The newer hash table.
struct GnuTable {
    std::uint64_t buckets, first, filters, shift, filters_at, buckets_at, chains_at;

    GnuTable(const ByteView& view, std::uint64_t at)
        : buckets(view.u32(at, hash_table)),
          first(view.u32(at + 4, hash_table)),
          filters(view.u32(at + 8, hash_table)),
          shift(view.u32(at + 12, hash_table)),
          filters_at(at + 16),
          buckets_at(filters_at + filters * view.word_size()),
          chains_at(buckets_at + 4 * buckets) {
        (void)view.part(filters_at, filters * view.word_size() + 4 * buckets, hash_table);
    }
};

}  // namespace

ElfSymbols::ElfSymbols(const ByteView& view, const ElfSymbolTables& tables)
    : tables_(tables),
      symbols_(view.up_to(tables.symbols.end)),
      strings_(view.up_to(tables.strings.end)),
      hash_(view.up_to(tables.hash.end)),
      gnu_hash_(view.up_to(tables.gnu_hash.end)),
      versions_(view.up_to(tables.versions.end)) {
    if (tables_.symbols.at != 0) count_ = count_in_hash_tables();
}

bool ElfSymbols::fits(std::uint64_t count) const {
    return symbols_.contains(tables_.symbols.at, 0) && count <= (symbols_.size() - tables_.symbols.at) / entry_size();
}

std::uint64_t ElfSymbols::count_in_hash_tables() {
    std::uint64_t count = 0;
    if (tables_.gnu_hash.at != 0) {
        const GnuTable table(gnu_hash_, tables_.gnu_hash.at);
        std::uint64_t last = 0;
        for (std::uint64_t i = 0; i < table.buckets; ++i)
            last = std::max<std::uint64_t>(last, gnu_hash_.u32(table.buckets_at + 4 * i, hash_table));
        count = table.first;
        if (last >= table.first && last != 0) {
            while ((gnu_hash_.u32(table.chains_at + 4 * (last - table.first), hash_table) & 1) == 0) ++last;
            count = last + 1;
        }
    } else if (tables_.hash.at != 0) {
        count = hash_.u32(tables_.hash.at + 4, hash_table);
        if (tables_.hash_may_be_wide) {
            const std::uint64_t wide_count = hash_.u64(tables_.hash.at + 8, hash_table);
            if (count == 0 || (wide_count >> 32 == 0 && fits(wide_count))) {
                count = wide_count;
                hash_word_ = 8;
            }
        }
    }
    if (!fits(count)) symbols_.malformed(tables_.symbols.at, "the symbol table is not within the file");
    return count;
}

ElfSymbol ElfSymbols::at(std::uint64_t index) const {
    if (tables_.symbols.at == 0 || index >= (symbols_.size() - tables_.symbols.at) / entry_size())
        symbols_.malformed(tables_.symbols.at, "a symbol lies outside of the symbol table");
    const std::uint64_t at = tables_.symbols.at + index * entry_size();
    const bool wide = symbols_.wide();
    ElfSymbol symbol;
    symbol.name = symbols_.u32(at, "a symbol");
    symbol.info = symbols_.u8(at + (wide ? 4 : 12), "a symbol");
    symbol.other = symbols_.u8(at + (wide ? 5 : 13), "a symbol");
    symbol.section = symbols_.u16(at + (wide ? 6 : 14), "a symbol");
    symbol.value = symbols_.word(at + (wide ? 8 : 4), "a symbol");
    return symbol;
}

std::string_view ElfSymbols::string_at(std::uint64_t offset) const {
    if (tables_.strings.at == 0 || offset >= strings_.size() - tables_.strings.at)
        strings_.malformed(tables_.strings.at, "a name lies outside of the string table");
    return strings_.text(tables_.strings.at + offset, "a name");
}

unsigned ElfSymbols::version(std::uint64_t index) const {
    return tables_.versions.at == 0 ? 1u : versions_.u16(tables_.versions.at + 2 * index, "the versions of symbols");
}

bool ElfSymbols::has_version(std::uint64_t index) const { return (version(index) & 0x7fff) > 1; }

void ElfSymbols::chain_of(std::string_view name, const std::function<bool(std::uint64_t)>& visit) const {
    if (tables_.gnu_hash.at != 0) {
        const GnuTable table(gnu_hash_, tables_.gnu_hash.at);
        const std::uint32_t hash = gnu_hash_of(name);
        const unsigned bits = 8 * gnu_hash_.word_size();
        if (table.buckets == 0 || table.filters == 0) return;
        const std::uint64_t filter =
            gnu_hash_.word(table.filters_at + hash / bits % table.filters * gnu_hash_.word_size(), hash_table);
        const std::uint64_t second = table.shift < 32 ? hash >> table.shift : 0;
        if ((filter >> hash % bits & filter >> second % bits & 1) == 0) return;
        std::uint64_t index = gnu_hash_.u32(table.buckets_at + 4 * (hash % table.buckets), hash_table);
        if (index < table.first || index == 0) return;
        for (;; ++index) {
            const std::uint32_t chain = gnu_hash_.u32(table.chains_at + 4 * (index - table.first), hash_table);
            if ((chain ^ hash) >> 1 == 0 && visit(index)) return;
            if ((chain & 1) != 0) return;
        }
    }
    if (tables_.hash.at == 0) return;
    const auto word = [&](std::uint64_t number) -> std::uint64_t {
        const std::uint64_t at = tables_.hash.at + number * hash_word_;
        return hash_word_ == 8 ? hash_.u64(at, hash_table) : hash_.u32(at, hash_table);
    };
    const std::uint64_t buckets = word(0);
    if (buckets == 0) return;
    std::uint64_t steps = 0;  // a chain may lead in circles
    for (std::uint64_t index = word(2 + hash_of(name) % buckets); index != 0 && steps <= count_; ++steps) {
        if (index >= count_ || visit(index)) return;
        index = word(2 + buckets + index);
    }
}

// What a search without a version accepts, as the C library does it.
bool ElfSymbols::can_be(std::uint64_t index, std::string_view name) const {
    const ElfSymbol symbol = at(index);
    const unsigned type = symbol.type();
    const bool usable = type == STT_NOTYPE || type == STT_OBJECT || type == STT_FUNC || type == STT_COMMON ||
                        type == STT_TLS || type == STT_GNU_IFUNC;
    if (!usable || !symbol.defined()) return false;
    if (symbol.value == 0 && !symbol.absolute() && type != STT_TLS) return false;
    return this->name(symbol) == name;
}

std::optional<std::uint64_t> ElfSymbols::find(std::string_view name) const {
    std::optional<std::uint64_t> found, versioned;
    unsigned versions = 0;
    chain_of(name, [&](std::uint64_t index) {
        if (!can_be(index, name)) return false;
        const unsigned number = version(index);
        if ((number & 0x7fff) <= 1) {
            found = index;
            return true;
        }
        constexpr unsigned hidden = 0x8000;
        if ((number & hidden) == 0 && versions++ == 0) versioned = index;
        return false;
    });
    if (!found && versions == 1) found = versioned;
    if (!found) return std::nullopt;
    const ElfSymbol symbol = at(*found);
    const bool bound =
        symbol.binding() == STB_GLOBAL || symbol.binding() == STB_WEAK || symbol.binding() == STB_GNU_UNIQUE;
    const bool seen = symbol.visibility() == STV_DEFAULT || symbol.visibility() == STV_PROTECTED;
    return bound && seen ? found : std::nullopt;
}

}  // namespace interlock::auditing::image
