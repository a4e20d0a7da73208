// elf_symbols.hpp: which symbol of a name the dynamic linker finds in an ELF file: that is up to the hash table and the
// versions, and a table can have several of one name.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "abi/elf_symbols.hpp"
#include "image/bytes.hpp"

namespace interlock::auditing::image {

/// Everything that is read is checked; throws malformed_file.
class ElfSymbols {
public:
    /// `elf` is a view of the bytes of `file`.
    ElfSymbols(const ByteView& file, const ElfView& elf, const SymbolTables& tables);

    /// How many there are; the first is none.
    std::uint64_t count() const noexcept { return count_; }
    /// Also one beyond the count, which a relocation may name.
    ElfSymbol at(std::uint64_t index) const;
    std::string_view name(const ElfSymbol& symbol) const { return string_at(symbol.name); }
    std::string_view string_at(std::uint64_t offset) const;
    /// What dlsym() finds; nullopt: nothing.
    std::optional<std::uint64_t> find(std::string_view name) const;
    /// Whether a version was given to the symbol, so that one is looked for that has it too.
    bool has_version(std::uint64_t index) const { return (version(index) & 0x7fff) > 1; }

private:
    unsigned version(std::uint64_t index) const;
    /// Goes through a chain until `visit` returns true.
    void chain_of(std::string_view name, const std::function<bool(std::uint64_t)>& visit) const;
    bool can_be(std::uint64_t index, std::string_view name) const;

    SymbolTables tables_;
    Decoder decoder_;
    ByteView symbols_, strings_, hash_, versions_;  // each up to the end of its table
    std::uint64_t count_ = 0;
};

}  // namespace interlock::auditing::image
