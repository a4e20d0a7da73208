// llvm_tools.hpp: what llvm-readobj and llvm-objdump say about binaries, as facts in words that our readers' images can
// be put into as well. Two sets of facts are compared in differential_test.cpp.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "image/image.hpp"

namespace interlock::test {

/// "library libc.so.6", "export PyInit_x 0x1200", "fixup 0x3388 rebase 0x2100", "fixup 0x33b4 import name@library".
/// Addresses are relative to the start of the image.
using Facts = std::set<std::string>;

/// By path; for slices of fat files "path (architecture x86_64)". An empty map if the tool failed.
using FactsByFile = std::map<std::string, Facts>;
FactsByFile llvm_elf_facts(const std::vector<std::string>& paths);
FactsByFile llvm_pe_facts(const std::vector<std::string>& paths);
FactsByFile llvm_macho_facts(const std::vector<std::string>& paths);

Facts facts_of(const auditing::image::Image& image);

}  // namespace interlock::test
