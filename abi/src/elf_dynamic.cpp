// elf_dynamic.cpp: the dynamic section is found by its address and not by its offset, and the string table may be
// larger than it says: the dynamic linker goes by the one and does not ask for the other.
//
// SPDX-License-Identifier: MIT
#include "elf_dynamic.hpp"

#include <elf.h>
#include <algorithm>

namespace interlock {
namespace {

constexpr std::uint64_t max_dynamic_size = 64U << 10;
// A path has at most 4096 bytes, and a list of folders seldom as many.
constexpr std::uint64_t max_text = 4096;
// String tables up to this size are read at once, others text by text.
constexpr std::uint64_t small_string_table = 64U << 10;

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
        case DT_NEEDED:
        case DT_AUXILIARY:
        case DT_FILTER:
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
        default:
            break;
    }
    return false;
}

class Texts {
public:
    Texts(const ElfView& elf, const DynamicInfo& info)
        : source_(elf.source()), place_(elf.place(*info.strings, "the dynamic string table")) {
        const std::uint64_t size = std::min(info.string_size.value_or(place_.available), place_.available);
        if (size > small_string_table) return;
        const auto bytes = source_.read(place_.offset, size, "the dynamic string table", buffer_);
        all_ = std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    std::string at(std::uint64_t offset) {
        if (offset >= place_.available) malformed(offset);
        // The dynamic linker does not ask for the size of the table.
        std::string_view from_here = offset < all_.size() ? all_.substr(offset) : std::string_view();
        ByteSource::Buffer buffer;
        if (from_here.find('\0') == from_here.npos) {
            const auto bytes = source_.read(place_.offset + offset, std::min(place_.available - offset, max_text + 1),
                                            "the name of a library", buffer);
            from_here = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        }
        const std::size_t end = from_here.find('\0');
        if (end == from_here.npos || end > max_text) malformed(offset);
        return std::string(from_here.substr(0, end));
    }

private:
    [[noreturn]] void malformed(std::uint64_t offset) const {
        source_.malformed(place_.offset, "the name of a library, at " + hex(offset) +
                                             " in the dynamic string table, lies beyond it, does not end, or is over " +
                                             std::to_string(max_text) + " bytes long");
    }

    const ByteSource& source_;
    ElfView::Place place_;
    ByteSource::Buffer buffer_;
    std::string_view all_;
};

}  // namespace

DynamicInfo dynamic_info(const ElfView& elf) {
    DynamicInfo info;
    const ByteSource& source = elf.source();
    const Decoder& decoder = elf.decoder();
    const auto segments = elf.segments();
    // Of several the dynamic linker takes the last one.
    const auto found = std::find_if(segments.rbegin(), segments.rend(),
                                    [](const Segment& segment) { return segment.type == PT_DYNAMIC; });
    if (found == segments.rend()) return info;
    const Segment& segment = *found;
    if (segment.file_size > max_dynamic_size) source.too_large(segment.offset, "the dynamic section is too large");
    // The dynamic linker finds it by its address, which in a damaged file leads elsewhere than its offset.
    const auto place = elf.place(segment.address, "the dynamic section");
    if (segment.file_size > place.available)
        source.malformed(place.offset, "the dynamic section runs out of its segment");
    ByteSource::Buffer buffer;
    const std::size_t word = decoder.word_size();
    // The dynamic linker goes on to the end mark, whatever size the segment states.
    std::uint64_t done = 0;
    for (const std::uint64_t end : {segment.file_size, std::min(place.available, max_dynamic_size)}) {
        if (end <= done) break;
        const auto bytes = source.read(place.offset + done, end - done, "the dynamic section", buffer);
        std::size_t at = 0;
        for (; 2 * word <= bytes.size() - at; at += 2 * word)
            if (take_entry(decoder.word(bytes, at), decoder.word(bytes, at + word), info)) return info;
        done += at;
    }
    if (place.available > max_dynamic_size) source.too_large(place.offset, "the dynamic section has no end");
    return info;
}

Linkage linkage(const ElfView& elf, const DynamicInfo& info) {
    Linkage out;
    out.no_default_folders = info.no_default_folders;
    if (!info.strings || (info.needed.empty() && !info.soname && !info.rpath && !info.runpath)) return out;
    Texts texts(elf, info);
    for (const std::uint64_t offset : info.needed) out.needed.push_back(texts.at(offset));
    if (info.soname) out.soname = texts.at(*info.soname);
    if (info.rpath) out.rpath = texts.at(*info.rpath);
    if (info.runpath) out.runpath = texts.at(*info.runpath);
    return out;
}

}  // namespace interlock
