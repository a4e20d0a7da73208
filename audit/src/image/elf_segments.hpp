// elf_segments.hpp: what of an ELF file is in memory once it is loaded. The dynamic linker maps whole pages, so that
// more than a program header says is there, and a page that two segments share is the later one's.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "abi/elf_view.hpp"
#include "image/bytes.hpp"
#include "image/image.hpp"

namespace interlock::auditing::image {

/// Of those of type PT_LOAD. Sorted, without overlaps. Throws malformed_file for what the dynamic linker would not
/// load, or not as it is written.
std::vector<Segment> mapped_segments(const ByteView& file, std::span<const ElfSegment> all);

}  // namespace interlock::auditing::image
