// elf_dynamic.hpp: the dynamic section of a shared library, as the dynamic linker reads it: where the symbols are, and
// which libraries are pulled in. Throws Failure. Layout: System V ABI, chapter 5.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <interlock/marker.hpp>

#include "abi/elf_view.hpp"

namespace interlock {

/// Addresses, but for the sizes and where said.
struct DynamicInfo {
    std::optional<std::uint64_t> symbols, strings, string_size, symbol_size, hash, gnu_hash;
    /// Offsets in the strings. DT_AUXILIARY and DT_FILTER pull in a library as well as DT_NEEDED does.
    std::vector<std::uint64_t> needed;
    std::optional<std::uint64_t> soname, rpath, runpath;
    bool no_default_folders = false;  ///< DF_1_NODEFLIB
};

/// Empty for a file without a dynamic section.
DynamicInfo dynamic_info(const ElfView& elf);
/// What of it is text.
Linkage linkage(const ElfView& elf, const DynamicInfo& info);

}  // namespace interlock
