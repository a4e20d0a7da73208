// exported_names.hpp: the names that a shared library offers to dlsym(), found as the dynamic linker finds them:
// through PT_DYNAMIC and a hash table, without section headers. Throws Failure.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi/elf_dynamic.hpp"

namespace interlock {

/// What stands behind `prefix` in the names of exported functions, for each prefix: sorted, without repetition.
std::vector<std::vector<std::string>> exported_suffixes(const ElfView& elf, const DynamicInfo& info,
                                                        std::span<const std::string_view> prefixes);

}  // namespace interlock
