// elf_names.cpp: names of libraries are read one by one out of a large string table, which may be larger than it says,
// as the dynamic linker does not ask for its size. Of symbols all are looked at, a few thousand at a time: there is no
// table of those that begin in a certain way.
//
// SPDX-License-Identifier: MIT
#include "elf_names.hpp"

#include <elf.h>
#include <algorithm>

#include "abi/elf_limits.hpp"
#include "abi/elf_symbols.hpp"

namespace interlock {
namespace {

// String tables up to this size are read at once, others text by text.
constexpr std::uint64_t small_string_table = 64U << 10;

class Texts {
public:
    Texts(const ElfView& elf, const DynamicInfo& info)
        : source_(elf.source()), place_(elf.place(*info.strings, "the dynamic string table")) {
        const std::uint64_t size = std::min(info.string_size.value_or(place_.available), place_.available);
        if (size > small_string_table) return;
        const auto bytes = source_.read(place_.offset, size, "the dynamic string table", buffer_);
        all_ = std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    std::string at(std::uint64_t offset) {
        if (offset >= place_.available) malformed(offset);
        // The dynamic linker does not ask for the size of the table.
        std::string_view from_here = offset < all_.size() ? all_.substr(offset) : std::string_view();
        ByteSource::Buffer buffer;
        if (from_here.find('\0') == from_here.npos) {
            const auto bytes =
                source_.read(place_.offset + offset, std::min(place_.available - offset, elf_limits::text + 1),
                             "the name of a library", buffer);
            from_here = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        }
        const std::size_t end = from_here.find('\0');
        if (end == from_here.npos || end > elf_limits::text) malformed(offset);
        return std::string(from_here.substr(0, end));
    }

private:
    [[noreturn]] void malformed(std::uint64_t offset) const {
        source_.malformed(place_.offset, "the name of a library, at " + hex(offset) +
                                             " in the dynamic string table, lies beyond it, does not end, or is over " +
                                             std::to_string(elf_limits::text) + " bytes long");
    }

    const ByteSource& source_;
    ElfPlace place_;
    ByteSource::Buffer buffer_;
    std::string_view all_;
};

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

Linkage linkage(const ElfView& elf, const DynamicInfo& info) {
    Linkage out;
    out.no_default_folders = info.no_default_folders;
    if (!info.strings || (info.needed.empty() && !info.soname && !info.rpath && !info.runpath)) return out;
    Texts texts(elf, info);
    for (const std::uint64_t offset : info.needed) out.needed.push_back(texts.at(offset));
    if (info.soname) out.soname = texts.at(*info.soname);
    if (info.rpath) out.rpath = texts.at(*info.rpath);
    if (info.runpath) out.runpath = texts.at(*info.runpath);
    return out;
}

std::vector<std::vector<std::string>> exported_suffixes(const ElfView& elf, const DynamicInfo& info,
                                                        std::span<const std::string_view> prefixes) {
    std::vector<std::vector<std::string>> found(prefixes.size());
    if (!info.symbols || !info.strings || !info.string_size) return found;
    const ByteSource& source = elf.source();
    ByteSource::Buffer buffer, string_buffer;
    const SymbolTables tables(elf, info, elf, buffer);
    const SymbolTables::Range indices = tables.range(elf, buffer);
    if (indices.first >= indices.end) return found;
    const std::string_view strings = read_strings(source, tables.strings, string_buffer);

    constexpr std::uint64_t symbols_per_read = 4096;
    const std::uint64_t size = ElfSymbol::size_in(elf.decoder());
    std::size_t total = 0;
    for (std::uint64_t index = indices.first; index < indices.end; index += symbols_per_read) {
        const auto count = std::min(symbols_per_read, indices.end - index);
        const auto offset = tables.symbols.offset + index * size;
        const auto symbols = source.read(offset, count * size, "the dynamic symbol table", buffer);
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
