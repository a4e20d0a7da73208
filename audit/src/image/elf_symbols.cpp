// elf_symbols.cpp: a name is looked up as the C library does it: the chain of its hash, and in it by the version.
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

ByteView within(const ByteView& file, const ElfPlace& place) { return file.up_to(place.offset + place.available); }

}  // namespace

ElfSymbols::ElfSymbols(const ByteView& file, const ElfView& elf, const SymbolTables& tables)
    : tables_(tables),
      decoder_(elf.decoder()),
      symbols_(within(file, tables.symbols)),
      strings_(within(file, tables.strings)),
      hash_(within(file, tables.hash_place)),
      versions_(within(file, tables.versions)) {
    ByteSource::Buffer unused;
    count_ = tables.range(elf, unused).end;
}

ElfSymbol ElfSymbols::at(std::uint64_t index) const {
    const std::uint64_t size = ElfSymbol::size_in(decoder_);
    if (index >= tables_.symbols.available / size)
        symbols_.malformed(tables_.symbols.offset, "a symbol lies outside of the symbol table");
    return ElfSymbol::decode(decoder_, symbols_.part(tables_.symbols.offset + index * size, size, "a symbol"));
}

std::string_view ElfSymbols::string_at(std::uint64_t offset) const {
    if (offset >= tables_.strings.available)
        strings_.malformed(tables_.strings.offset, "a name lies outside of the string table");
    return strings_.text(tables_.strings.offset + offset, "a name");
}

unsigned ElfSymbols::version(std::uint64_t index) const {
    if (tables_.versions.available == 0) return 1;
    return versions_.u16(tables_.versions.offset + 2 * index, "the versions of symbols");
}

void ElfSymbols::chain_of(std::string_view name, const std::function<bool(std::uint64_t)>& visit) const {
    if (tables_.gnu_hash) {
        const GnuHash& table = *tables_.gnu_hash;
        const std::uint32_t hash = gnu_hash_of(name);
        const unsigned bits = 8 * hash_.word_size();
        if (table.buckets == 0 || table.filters == 0) return;
        const std::uint64_t filter =
            hash_.word(table.filters_at + hash / bits % table.filters * hash_.word_size(), hash_table);
        const std::uint64_t second = table.shift < 32 ? hash >> table.shift : 0;
        if ((filter >> hash % bits & filter >> second % bits & 1) == 0) return;
        std::uint64_t index = hash_.u32(table.buckets_at + 4 * (hash % table.buckets), hash_table);
        if (index < table.first || index == 0) return;
        for (;; ++index) {
            const std::uint32_t chain = hash_.u32(table.chains_at + 4 * (index - table.first), hash_table);
            if ((chain ^ hash) >> 1 == 0 && visit(index)) return;
            if ((chain & 1) != 0) return;
        }
    }
    if (!tables_.hash || tables_.hash->buckets == 0) return;
    const SysvHash& table = *tables_.hash;
    const auto word = [&](std::uint64_t number) -> std::uint64_t {
        const std::uint64_t at = tables_.hash_place.offset + number * table.word;
        return table.word == 8 ? hash_.u64(at, hash_table) : hash_.u32(at, hash_table);
    };
    std::uint64_t steps = 0;  // a chain may lead in circles
    for (std::uint64_t index = word(2 + hash_of(name) % table.buckets); index != 0 && steps <= count_; ++steps) {
        if (index >= count_ || visit(index)) return;
        index = word(2 + table.buckets + index);
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
