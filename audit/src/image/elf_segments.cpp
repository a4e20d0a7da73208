// elf_segments.cpp: program headers are checked as the dynamic linker needs them, widened to pages, and cut where a
// later one is mapped over them.
//
// SPDX-License-Identifier: MIT
#include "image/elf_segments.hpp"

#include <elf.h>

#include <algorithm>
#include <limits>

namespace interlock::auditing::image {

namespace {

/// The smallest page of all processors. With larger ones segments that share a page have the same bytes there, or the
/// file is not for such a machine.
constexpr std::uint64_t page = 4096;

std::uint64_t page_of(std::uint64_t address) noexcept { return address & ~(page - 1); }
std::uint64_t next_page(std::uint64_t address) noexcept {
    return address > std::numeric_limits<std::uint64_t>::max() - page ? address : page_of(address + page - 1);
}

/// Whether nothing of the file is mapped for it.
bool all_zero(const ElfSegment& load) noexcept { return load.file_size == 0 && load.address % page == 0; }

void check(const ByteView& file, const ElfSegment& load, const ElfSegment* before) {
    if (load.file_size > load.size) file.malformed(load.at, "a segment is larger in the file than in memory");
    if (load.address > std::numeric_limits<std::uint64_t>::max() - load.size)
        file.malformed(load.at, "a segment goes beyond the end of memory");
    (void)file.part(load.offset, load.file_size, "a segment");
    if (before != nullptr && load.address < before->address + before->size)
        file.malformed(load.at, "segments overlap, or are not in order");
    if (!all_zero(load) && load.address % page != load.offset % page)
        file.malformed(load.at, "a segment lies otherwise in its page than in the file, so that it cannot be mapped");
}

/// All of the pages that the segment touches.
Segment whole_pages(const ByteView& file, const ElfSegment& load) {
    Segment segment{page_of(load.address), 0, {}, (load.flags & PF_W) != 0, (load.flags & PF_X) != 0};
    segment.size = next_page(load.address + load.size) - segment.address;
    if (all_zero(load)) return segment;
    const std::uint64_t offset = page_of(load.offset);
    // What is zero in memory ends what the file has; without it the rest of the page is the file's.
    const std::uint64_t wanted =
        load.size > load.file_size ? load.address - segment.address + load.file_size : segment.size;
    segment.data = file.part(offset, std::min(wanted, file.size() - offset), "a segment");
    return segment;
}

}  // namespace

std::vector<Segment> mapped_segments(const ByteView& file, std::span<const ElfSegment> all) {
    std::vector<Segment> segments;
    const ElfSegment* before = nullptr;
    for (const ElfSegment& load : all) {
        if (load.type != PT_LOAD || load.size == 0) continue;
        check(file, load, before);
        before = &load;
        const Segment segment = whole_pages(file, load);
        // Mapped later, it replaces what was there.
        while (!segments.empty() && segments.back().address + segments.back().size > segment.address) {
            Segment& shared = segments.back();
            if (shared.address >= segment.address) {
                segments.pop_back();
                continue;
            }
            shared.size = segment.address - shared.address;
            shared.data = shared.data.first(std::min<std::uint64_t>(shared.data.size(), shared.size));
        }
        segments.push_back(segment);
    }
    return segments;
}

}  // namespace interlock::auditing::image
