// elf_dynamic.hpp: the dynamic section of a shared library, as the dynamic linker reads it: where its tables are, and
// which libraries are pulled in. Throws Failure. Layout: System V ABI, chapter 5.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "abi/elf_view.hpp"

namespace interlock {

/// Addresses, but for the sizes and where said. Of what is there twice the last one counts.
struct DynamicInfo {
    std::uint64_t size = 0;  ///< of the section without its end mark; 0 when there is none
    std::optional<std::uint64_t> symbols, strings, string_size, symbol_size, hash, gnu_hash, versions;
    /// Offsets in the strings. DT_AUXILIARY and DT_FILTER pull in a library as well as DT_NEEDED does.
    std::vector<std::uint64_t> needed;
    std::optional<std::uint64_t> soname, rpath, runpath;
    bool no_default_folders = false;  ///< DF_1_NODEFLIB
    bool filtered = false;            ///< its functions are looked for in another library first
    bool symbolic = false;            ///< and those that it uses in itself

    /// A size of 0 is as good as no table.
    struct Table {
        std::uint64_t address = 0, size = 0;
    };
    Table rela, rel, relr, plt, init_array;
    std::uint64_t relative_count = 0;  ///< so many relocations of `rela` are taken to be relative
    bool plt_is_rela = false;
    std::uint64_t init = 0;  ///< 0: none
};

/// The segment that the dynamic linker goes by; null for a file without one.
const ElfSegment* dynamic_segment(const ElfView& elf) noexcept;
/// `map` says where its address lies.
DynamicInfo dynamic_info(const ElfView& elf, const ElfSegment& segment, const AddressMap& map);

}  // namespace interlock
