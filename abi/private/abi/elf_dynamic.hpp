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
    std::optional<std::uint64_t> symbols, symbol_size, strings, string_size, hash, gnu_hash, versions;
    std::optional<std::uint64_t> rela, rela_size, rel, rel_size, relr, relr_size, plt, plt_size;
    std::optional<std::uint64_t> relative_count;  ///< so many relocations of `rela` are taken to be relative
    std::optional<std::uint64_t> plt_kind;        ///< DT_REL or DT_RELA
    std::optional<std::uint64_t> init, init_array, init_array_size;
    /// Offsets in the strings. DT_AUXILIARY and DT_FILTER pull in a library as well as DT_NEEDED does.
    std::vector<std::uint64_t> needed;
    std::optional<std::uint64_t> soname, rpath, runpath;
    bool no_default_folders = false;  ///< DF_1_NODEFLIB
    bool filtered = false;            ///< its functions are looked for in another library first
    bool symbolic = false;            ///< and those that it uses in itself
};

/// The segment that the dynamic linker goes by; null for a file without one.
const ElfSegment* dynamic_segment(const ElfView& elf) noexcept;
/// `map` says where its address lies.
DynamicInfo dynamic_info(const ElfView& elf, const ElfSegment& segment, const AddressMap& map);

}  // namespace interlock
