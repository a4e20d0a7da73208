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

/// Where the value of a tag is kept as it is; null for others.
std::optional<std::uint64_t>* kept(std::uint64_t tag, DynamicInfo& info) {
    switch (tag) {
        case DT_SYMTAB:
            return &info.symbols;
        case DT_STRTAB:
            return &info.strings;
        case DT_STRSZ:
            return &info.string_size;
        case DT_SYMENT:
            return &info.symbol_size;
        case DT_HASH:
            return &info.hash;
        case DT_GNU_HASH:
            return &info.gnu_hash;
        case DT_VERSYM:
            return &info.versions;
        case DT_SONAME:
            return &info.soname;
        case DT_RPATH:
            return &info.rpath;
        case DT_RUNPATH:
            return &info.runpath;
        case DT_RELA:
            return &info.rela;
        case DT_RELASZ:
            return &info.rela_size;
        case DT_RELACOUNT:
            return &info.relative_count;
        case DT_REL:
            return &info.rel;
        case DT_RELSZ:
            return &info.rel_size;
        case dt_relr:
            return &info.relr;
        case dt_relrsz:
            return &info.relr_size;
        case DT_JMPREL:
            return &info.plt;
        case DT_PLTRELSZ:
            return &info.plt_size;
        case DT_PLTREL:
            return &info.plt_kind;
        case DT_INIT:
            return &info.init;
        case DT_INIT_ARRAY:
            return &info.init_array;
        case DT_INIT_ARRAYSZ:
            return &info.init_array_size;
        default:
            return nullptr;
    }
}

void take_entry(std::uint64_t tag, std::uint64_t value, DynamicInfo& info) {
    if (auto* place = kept(tag, info)) *place = value;
    if (tag == DT_NEEDED || tag == DT_AUXILIARY || tag == DT_FILTER) info.needed.push_back(value);
    if (tag == DT_AUXILIARY || tag == DT_FILTER) info.filtered = true;
    if (tag == DT_SYMBOLIC || (tag == DT_FLAGS && (value & DF_SYMBOLIC) != 0)) info.symbolic = true;
    if (tag == DT_FLAGS_1) info.no_default_folders = (value & DF_1_NODEFLIB) != 0;
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
            const std::uint64_t tag = decoder.word(bytes, at);
            if (tag == DT_NULL) return info;
            take_entry(tag, decoder.word(bytes, at + word), info);
            info.size += 2 * word;
        }
    }
    if (place.available > max_size) source.too_large(place.offset, "the dynamic section has no end");
    return info;
}

}  // namespace interlock
