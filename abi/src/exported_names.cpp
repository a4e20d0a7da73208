// exported_names.cpp: all names are looked at, a few thousand symbols at a time, as there is no table of those that
// begin in a certain way.
//
// SPDX-License-Identifier: MIT
#include "exported_names.hpp"

#include <elf.h>
#include <algorithm>

#include "abi/elf_limits.hpp"
#include "abi/elf_symbols.hpp"

namespace interlock {
namespace {

bool callable(const ElfView& elf, const ElfSymbol& symbol) {
    const unsigned binding = symbol.binding(), type = symbol.type(), visibility = symbol.visibility();
    return symbol.defined() && !symbol.absolute() && (binding == STB_GLOBAL || binding == STB_WEAK) &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED) && elf.executable(symbol.value);
}

/// All of the string table.
std::string_view read_strings(const ByteSource& source, const ElfPlace& strings, ByteSource::Buffer& buffer) {
    if (strings.available > elf_limits::string_table) {
        source.too_large(strings.offset, "a dynamic string table of " + std::to_string(strings.available) +
                                             " bytes; interlock reads at most " +
                                             std::to_string(elf_limits::string_table));
    }
    const auto bytes = source.read(strings.offset, strings.available, "the dynamic string table", buffer);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::vector<std::vector<std::string>> exported_suffixes(const ElfView& elf, const DynamicInfo& info,
                                                        std::span<const std::string_view> prefixes) {
    std::vector<std::vector<std::string>> found(prefixes.size());
    if (!info.symbols || !info.strings || !info.string_size) return found;
    const ByteSource& source = elf.source();
    const SymbolTables tables(elf, info, elf);
    const SymbolTables::Range indices = tables.range(elf);
    if (indices.first >= indices.end) return found;
    ByteSource::Buffer string_buffer;
    const std::string_view strings = read_strings(source, tables.strings, string_buffer);

    constexpr std::uint64_t symbols_per_read = 4096;
    const std::uint64_t size = ElfSymbol::size_in(elf.decoder());
    std::size_t total = 0;
    ByteSource::Buffer symbol_buffer;
    for (std::uint64_t index = indices.first; index < indices.end; index += symbols_per_read) {
        const auto count = std::min(symbols_per_read, indices.end - index);
        const auto offset = tables.symbols.offset + index * size;
        const auto symbols = source.read(offset, count * size, "the dynamic symbol table", symbol_buffer);
        for (std::size_t i = 0; i < count; ++i) {
            const ElfSymbol symbol = ElfSymbol::decode(elf.decoder(), symbols.subspan(i * size, size));
            if (!callable(elf, symbol)) continue;
            if (symbol.name >= strings.size()) {
                source.malformed(offset + i * size, "the name of a symbol lies beyond the string table");
            }
            const std::string_view rest = strings.substr(symbol.name);
            for (std::size_t p = 0; p < prefixes.size(); ++p) {
                if (!rest.starts_with(prefixes[p])) continue;
                const auto suffix = rest.substr(prefixes[p].size(), elf_limits::entry_point_name + 1);
                const auto length = suffix.find('\0');
                if (length == std::string_view::npos) {
                    source.malformed(offset + i * size, "the name of a module entry point does not end, or is over " +
                                                            std::to_string(elf_limits::entry_point_name) +
                                                            " bytes long");
                }
                if (length == 0) continue;
                if (++total > elf_limits::entry_points) source.too_large(offset, "too many module entry points");
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

}  // namespace interlock
