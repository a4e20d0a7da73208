// elf_dynamic.cpp: the dynamic section is found by its address and not by its offset, and ends with its end mark,
// whatever size its segment states: so the dynamic linker has it.
//
// SPDX-License-Identifier: MIT
#include "abi/elf_dynamic.hpp"

#include <elf.h>
#include <algorithm>

#include "abi/elf_limits.hpp"

namespace interlock {
namespace {

// <elf.h> of older C libraries lacks them.
constexpr std::uint64_t dt_relrsz = 35, dt_relr = 36;

/// True at the end of the section.
bool take_entry(std::uint64_t tag, std::uint64_t value, DynamicInfo& info) {
    switch (tag) {
        case DT_NULL:
            return true;
        case DT_SYMTAB:
            info.symbols = value;
            break;
        case DT_STRTAB:
            info.strings = value;
            break;
        case DT_STRSZ:
            info.string_size = value;
            break;
        case DT_SYMENT:
            info.symbol_size = value;
            break;
        case DT_HASH:
            info.hash = value;
            break;
        case DT_GNU_HASH:
            info.gnu_hash = value;
            break;
        case DT_VERSYM:
            info.versions = value;
            break;
        case DT_AUXILIARY:
        case DT_FILTER:
            info.filtered = true;
            [[fallthrough]];
        case DT_NEEDED:
            info.needed.push_back(value);
            break;
        case DT_SONAME:
            info.soname = value;
            break;
        case DT_RPATH:
            info.rpath = value;
            break;
        case DT_RUNPATH:
            info.runpath = value;
            break;
        case DT_FLAGS_1:
            info.no_default_folders = (value & DF_1_NODEFLIB) != 0;
            break;
        case DT_RELA:
            info.rela.address = value;
            break;
        case DT_RELASZ:
            info.rela.size = value;
            break;
        case DT_RELACOUNT:
            info.relative_count = value;
            break;
        case DT_REL:
            info.rel.address = value;
            break;
        case DT_RELSZ:
            info.rel.size = value;
            break;
        case dt_relr:
            info.relr.address = value;
            break;
        case dt_relrsz:
            info.relr.size = value;
            break;
        case DT_JMPREL:
            info.plt.address = value;
            break;
        case DT_PLTRELSZ:
            info.plt.size = value;
            break;
        case DT_INIT:
            info.init = value;
            break;
        case DT_INIT_ARRAY:
            info.init_array.address = value;
            break;
        case DT_INIT_ARRAYSZ:
            info.init_array.size = value;
            break;
        case DT_PLTREL:
            info.plt_is_rela = value == DT_RELA;
            break;
        case DT_SYMBOLIC:
            info.symbolic = true;
            break;
        case DT_FLAGS:
            info.symbolic = info.symbolic || (value & DF_SYMBOLIC) != 0;
            break;
        default:
            break;
    }
    return false;
}

}  // namespace

const ElfSegment* dynamic_segment(const ElfView& elf) noexcept {
    const auto segments = elf.segments();
    // Of several the dynamic linker takes the last one.
    const auto found = std::find_if(segments.rbegin(), segments.rend(),
                                    [](const ElfSegment& segment) { return segment.type == PT_DYNAMIC; });
    return found == segments.rend() ? nullptr : &*found;
}

DynamicInfo dynamic_info(const ElfView& elf, const ElfSegment& segment, const AddressMap& map) {
    constexpr std::uint64_t max_size = elf_limits::dynamic_section;
    const ByteSource& source = elf.source();
    const Decoder& decoder = elf.decoder();
    if (segment.file_size > max_size) source.too_large(segment.offset, "the dynamic section is too large");
    // The dynamic linker finds it by its address, which in a damaged file leads elsewhere than its offset.
    const auto place = map.place(segment.address, "the dynamic section");
    if (segment.file_size > place.available)
        source.malformed(place.offset, "the dynamic section runs out of its segment");
    DynamicInfo info;
    ByteSource::Buffer buffer;
    const std::size_t word = decoder.word_size();
    for (const std::uint64_t end : {segment.file_size, std::min(place.available, max_size)}) {
        if (end <= info.size) break;
        const auto bytes = source.read(place.offset + info.size, end - info.size, "the dynamic section", buffer);
        for (std::size_t at = 0; 2 * word <= bytes.size() - at; at += 2 * word) {
            if (take_entry(decoder.word(bytes, at), decoder.word(bytes, at + word), info)) return info;
            info.size += 2 * word;
        }
    }
    if (place.available > max_size) source.too_large(place.offset, "the dynamic section has no end");
    return info;
}

}  // namespace interlock
