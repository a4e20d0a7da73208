// linkage.hpp: what a shared library is linked to, by name. Throws Failure.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <interlock/marker.hpp>

#include "abi/elf_dynamic.hpp"

namespace interlock {

Linkage linkage(const ElfView& elf, const DynamicInfo& info);

}  // namespace interlock
