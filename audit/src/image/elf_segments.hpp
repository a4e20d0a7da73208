// elf_segments.hpp: what of an ELF file is in memory once it is loaded. The dynamic linker maps whole pages, so that
// more than a program header says is there, and a page that two segments share is the later one's.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/bytes.hpp"
#include "image/image.hpp"

namespace interlock::auditing::image {

/// A program header of type PT_LOAD.
struct ElfLoad {
    std::uint64_t at = 0;  ///< its offset in the file, for messages
    std::uint64_t address = 0, offset = 0, file_size = 0, size = 0;
    bool writable = false, executable = false;
};

/// Sorted, without overlaps. Throws malformed_file for what the dynamic linker would not load, or not as it is written.
std::vector<Segment> mapped_segments(const ByteView& file, std::span<const ElfLoad> loads);

}  // namespace interlock::auditing::image
