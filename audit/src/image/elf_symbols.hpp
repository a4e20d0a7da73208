// elf_symbols.hpp: the dynamic symbol table of an ELF file, and which symbol of a name the dynamic linker finds: that
// is up to the hash table and the versions, and a table can have several of one name.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "image/bytes.hpp"

namespace interlock::auditing::image {

struct ElfSymbol {
    std::uint64_t value = 0;
    std::uint32_t name = 0;  ///< offset in the string table
    std::uint16_t section = 0;
    std::uint8_t info = 0, other = 0;

    bool defined() const noexcept { return section != 0; }
    bool absolute() const noexcept { return section == 0xfff1; }
    unsigned type() const noexcept { return info & 15u; }
    unsigned binding() const noexcept { return info >> 4u; }
    unsigned visibility() const noexcept { return other & 3u; }
};

/// Offsets in the file; 0 for none.
struct ElfTable {
    std::uint64_t at = 0;
    std::uint64_t end = 0;  ///< of what lies behind it in memory as it does in the file
};
struct ElfSymbolTables {
    ElfTable symbols, strings, hash, gnu_hash, versions;
    bool hash_may_be_wide = false;  ///< on 64-bit S/390 its words have 8 bytes, but not with every linker
};

/// Everything that is read is checked; throws malformed_file.
class ElfSymbols {
public:
    ElfSymbols(const ByteView& view, const ElfSymbolTables& tables);

    /// How many there are, which stands nowhere but in the hash tables; the first is none.
    std::uint64_t count() const noexcept { return count_; }
    /// Also one beyond the count, which a relocation may name.
    ElfSymbol at(std::uint64_t index) const;
    std::string_view name(const ElfSymbol& symbol) const { return string_at(symbol.name); }
    std::string_view string_at(std::uint64_t offset) const;
    /// What dlsym() finds; nullopt: nothing.
    std::optional<std::uint64_t> find(std::string_view name) const;
    /// Whether a version was given to the symbol, so that one is looked for that has it too.
    bool has_version(std::uint64_t index) const;
    unsigned entry_size() const noexcept { return symbols_.wide() ? 24 : 16; }

private:
    std::uint64_t count_in_hash_tables();
    bool fits(std::uint64_t count) const;
    unsigned version(std::uint64_t index) const;
    /// Goes through a chain until `visit` returns true.
    void chain_of(std::string_view name, const std::function<bool(std::uint64_t)>& visit) const;
    bool can_be(std::uint64_t index, std::string_view name) const;

    ElfSymbolTables tables_;
    ByteView symbols_, strings_, hash_, gnu_hash_, versions_;  // each up to the end of its table
    std::uint64_t count_ = 0;
    unsigned hash_word_ = 4;
};

}  // namespace interlock::auditing::image
