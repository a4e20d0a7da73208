// elf_names.hpp: the names that an import asks for: what a shared library is linked to, and what it offers to dlsym().
// Throws Failure.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/marker.hpp>

#include "abi/elf_dynamic.hpp"
#include "abi/elf_view.hpp"

namespace interlock {

/// What the dynamic section says in texts.
Linkage linkage(const ElfView& elf, const DynamicInfo& info);

/// What stands behind `prefix` in the names of exported functions, for each prefix: sorted, without repetition.
std::vector<std::vector<std::string>> exported_suffixes(const ElfView& elf, const DynamicInfo& info,
                                                        std::span<const std::string_view> prefixes);

}  // namespace interlock
