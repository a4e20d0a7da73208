// linkage.cpp: the string table may be larger than it says, as the dynamic linker does not ask for its size. Of a large
// one only the names are read.
//
// SPDX-License-Identifier: MIT
#include "linkage.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "abi/elf_limits.hpp"

namespace interlock {
namespace {

// String tables up to this size are read at once, others text by text.
constexpr std::uint64_t small_string_table = 64U << 10;

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
            const auto bytes =
                source_.read(place_.offset + offset, std::min(place_.available - offset, elf_limits::text + 1),
                             "the name of a library", buffer);
            from_here = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        }
        const std::size_t end = from_here.find('\0');
        if (end == from_here.npos || end > elf_limits::text) malformed(offset);
        return std::string(from_here.substr(0, end));
    }

private:
    [[noreturn]] void malformed(std::uint64_t offset) const {
        source_.malformed(place_.offset, "the name of a library, at " + hex(offset) +
                                             " in the dynamic string table, lies beyond it, does not end, or is over " +
                                             std::to_string(elf_limits::text) + " bytes long");
    }

    const ByteSource& source_;
    ElfPlace place_;
    ByteSource::Buffer buffer_;
    std::string_view all_;
};

}  // namespace

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
