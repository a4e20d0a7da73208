// macho_fixups.cpp: LC_DYLD_CHAINED_FIXUPS: each place to relocate holds what it is to become and the distance to the
// next one. The layouts are those of Apple's <mach-o/fixup-chains.h>.
//
// SPDX-License-Identifier: MIT
#include <string>

#include "image/macho_file.hpp"

namespace interlock::auditing::image {

namespace {

/// dyld_chained_import and its larger forms.
struct BindTarget {
    std::uint32_t import = 0;
    std::uint64_t addend = 0;
};

/// What one place of a chain says.
struct Link {
    bool bind = false;
    std::uint64_t target = 0;  ///< file address, or the number of the bind target
    std::uint64_t addend = 0;
    std::uint64_t next = 0;  ///< distance in bytes; 0 = last
};

/// DYLD_CHAINED_PTR_...
enum PointerFormat : unsigned {
    arm64e = 1,
    plain_64 = 2,
    plain_64_offset = 6,
    arm64e_userland = 9,
    arm64e_userland24 = 12,
};

constexpr std::uint64_t bits(std::uint64_t word, unsigned first, unsigned count) {
    return word >> first & ((1ull << count) - 1);
}

constexpr std::uint64_t sign_extended(std::uint64_t value, unsigned count) {
    const std::uint64_t sign = 1ull << (count - 1);
    return (value ^ sign) - sign;
}

class ChainedFixups {
public:
    ChainedFixups(MachFile& file, const MachPart& part) : file_(file), view_(file.view), part_(part) {}

    void read() {
        const auto version = u32(0, "the version of the chained fixups");
        if (version != 0) view_.too_much("it has chained fixups of version " + std::to_string(version));
        read_targets();
        const auto starts = u32(4, "the header of the chained fixups");
        const auto count = u32(starts, "the number of segments with chained fixups");
        if (count > file_.segments.size())
            view_.malformed(part_.offset + starts, "there are chained fixups for " + std::to_string(count) +
                                                       " segments of " + std::to_string(file_.segments.size()));
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto info = u32(starts + 4 + 4 * i, "the chained fixups of a segment");
            if (info != 0) read_segment(file_.segments[i], std::uint64_t{starts} + info);
        }
    }

private:
    // Offsets are those within the part: nothing outside of it is read.
    std::uint64_t absolute(std::uint64_t offset, std::uint64_t size, const char* what) const {
        if (offset > part_.size || size > part_.size - offset)
            view_.malformed(part_.offset, std::string(what) + ", at " + hex(offset) +
                                              ", is not within the chained fixups, which have " + hex(part_.size) +
                                              " bytes");
        return part_.offset + offset;
    }
    std::uint16_t u16(std::uint64_t offset, const char* what) const {
        return view_.u16(absolute(offset, 2, what), what);
    }
    std::uint32_t u32(std::uint64_t offset, const char* what) const {
        return view_.u32(absolute(offset, 4, what), what);
    }
    std::uint64_t u64(std::uint64_t offset, const char* what) const {
        return view_.u64(absolute(offset, 8, what), what);
    }

    void read_targets() {
        const std::uint64_t imports = u32(8, "the header of the chained fixups");
        const std::uint64_t names = u32(12, "the header of the chained fixups");
        const std::uint64_t count = u32(16, "the header of the chained fixups");
        const auto format = u32(20, "the header of the chained fixups");
        const auto compression = u32(24, "the header of the chained fixups");
        if (compression != 0) view_.too_much("the names of its chained fixups are compressed");
        if (count == 0) return;
        if (format < 1 || format > 3) view_.too_much("it has chained imports of format " + std::to_string(format));
        const std::uint64_t size = format == 1 ? 4 : format == 2 ? 8 : 16;
        (void)absolute(imports, count * size, "the table of imports");
        targets_.reserve(count);
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto at = imports + i * size;
            std::int64_t ordinal;
            std::uint64_t name;
            bool weak;
            BindTarget target;
            if (format == 3) {
                const auto word = u64(at, "an import");
                ordinal = static_cast<std::int64_t>(bits(word, 0, 16));
                if (ordinal > 0xfff0) ordinal -= 0x10000;
                weak = bits(word, 16, 1) != 0;
                name = bits(word, 32, 32);
                target.addend = u64(at + 8, "an import");
            } else {
                const auto word = u32(at, "an import");
                ordinal = static_cast<std::int64_t>(bits(word, 0, 8));
                if (ordinal > 0xf0) ordinal -= 0x100;
                weak = bits(word, 8, 1) != 0;
                name = bits(word, 9, 23);
                if (format == 2) target.addend = sign_extended(u32(at + 4, "an import"), 32);
            }
            const auto text = absolute(names + name, 1, "the name of an import");
            target.import = file_.import(file_.builder.name(text, "the name of an import", part_.end()), ordinal, weak,
                                         part_.offset + at);
            targets_.push_back(target);
        }
    }

    void read_segment(const MachSegment& segment, std::uint64_t info) {
        const std::uint64_t page_size = u16(info + 4, "the chained fixups of a segment");
        const unsigned format = u16(info + 6, "the chained fixups of a segment");
        const auto segment_offset = u64(info + 8, "the chained fixups of a segment");
        const std::uint64_t page_count = u16(info + 20, "the chained fixups of a segment");
        const auto at = part_.offset + info;
        switch (format) {
            case arm64e:
            case plain_64:
            case plain_64_offset:
            case arm64e_userland:
            case arm64e_userland24:
                break;
            default:
                view_.too_much("it has chained fixups of pointer format " + std::to_string(format));
        }
        if (!view_.wide()) view_.malformed(at + 6, "64-bit chained fixups in a 32-bit image");
        if (page_size < 8) view_.malformed(at + 4, "a page size of " + std::to_string(page_size) + " bytes");
        if (file_.base + segment_offset != segment.address)
            view_.malformed(at + 8, "the chained fixups are for the address " + hex(file_.base + segment_offset) +
                                        ", the segment " + quoted(segment.name) + " is at " + hex(segment.address));
        for (std::uint64_t page = 0; page < page_count; ++page) {
            const auto start = u16(info + 22 + 2 * page, "the start of a chain");
            constexpr std::uint16_t none = 0xffff, several = 0x8000;
            if (start == none) continue;
            if ((start & several) != 0)
                view_.malformed(at + 22 + 2 * page, "a page has several chains, as 32-bit images only may have");
            read_chain(segment, page * page_size, page_size, start, format);
        }
    }

    /// `page` is the offset of the page in its segment. A link goes forward only, and never out of the page.
    void read_chain(const MachSegment& segment, std::uint64_t page, std::uint64_t page_size, std::uint64_t start,
                    unsigned format) {
        for (std::uint64_t offset = start;;) {
            const auto place = page + offset;
            const auto at = segment.file_offset + place;
            if (offset > page_size - 8)
                view_.malformed(at, "a chain of fixups leaves its page, at " + hex(offset) + " of " + hex(page_size));
            if (place > segment.file_size || segment.file_size - place < 8)
                view_.malformed(at, "a chain of fixups starts or goes on at " + hex(place) + " of the segment " +
                                        quoted(segment.name) + ", which has " + hex(segment.file_size) +
                                        " bytes in the file");
            const auto link = decoded(view_.u64(at, "a fixup"), format);
            add(segment.address + place, link, at);
            if (link.next == 0) return;
            offset += link.next;
        }
    }

    Link decoded(std::uint64_t word, unsigned format) const {
        Link link;
        if (format == plain_64 || format == plain_64_offset) {
            link.bind = bits(word, 63, 1) != 0;
            link.next = bits(word, 51, 12) * 4;
            if (link.bind) {
                link.target = bits(word, 0, 24);
                link.addend = bits(word, 24, 8);
            } else {
                link.target = bits(word, 0, 36) + (format == plain_64 ? 0 : file_.base);
                link.target |= bits(word, 36, 8) << 56;
            }
            return link;
        }
        const bool authenticated = bits(word, 63, 1) != 0;
        link.bind = bits(word, 62, 1) != 0;
        link.next = bits(word, 51, 11) * 8;
        if (link.bind) {
            link.target = bits(word, 0, format == arm64e_userland24 ? 24 : 16);
            if (!authenticated) link.addend = sign_extended(bits(word, 32, 19), 19);
        } else if (authenticated) {
            link.target = bits(word, 0, 32) + file_.base;
        } else {
            link.target = bits(word, 0, 43) + (format == arm64e ? 0 : file_.base);
            link.target |= bits(word, 43, 8) << 56;
        }
        return link;
    }

    void add(std::uint64_t address, const Link& link, std::uint64_t at) {
        Fixup fixup;
        fixup.address = address;
        if (link.bind) {
            if (link.target >= targets_.size())
                view_.malformed(at, "import number " + std::to_string(link.target) + " does not exist: there are " +
                                        std::to_string(targets_.size()));
            const BindTarget& target = targets_[link.target];
            fixup.kind = Fixup::Kind::import;
            fixup.import = target.import;
            fixup.value = target.addend + link.addend;
        } else {
            fixup.value = link.target;
        }
        file_.builder.add_fixup(fixup, at);
    }

    MachFile& file_;
    const ByteView& view_;
    MachPart part_;
    std::vector<BindTarget> targets_;
};

}  // namespace

void read_chained_fixups(MachFile& file, const MachPart& part) { ChainedFixups(file, part).read(); }

}  // namespace interlock::auditing::image
