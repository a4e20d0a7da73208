// loaded_image.cpp: the notes are compared, and the kernel is asked in /proc/self/maps which file lies there: against a
// page of the right file, mapped for that, as stat() has other numbers on some file systems.
//
// SPDX-License-Identifier: MIT
#include "loaded_image.hpp"

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <utility>

#include "linker_turn.hpp"

namespace interlock::detail {

namespace {

/// Which file a mapping belongs to, in the kernel's words: "08:01 12345". On some filesystems stat() has other numbers,
/// so only two of these can be compared.
using MappedFile = std::string;

/// Those of the mappings in which two addresses lie; nullopt if the system does not say.
std::optional<std::pair<MappedFile, MappedFile>> mapped_files(std::uintptr_t one, std::uintptr_t two) {
    std::optional<MappedFile> first, second;
    std::ifstream maps("/proc/self/maps");
    // New mappings are near each other and, as a rule, near the beginning, so this seldom reads all of it.
    for (std::string line; (!first || !second) && std::getline(maps, line);) {
        unsigned long begin = 0, end = 0, inode = 0;
        std::array<char, 32> device{};
        if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %31s %lu", &begin, &end, device.data(), &inode) != 4) continue;
        const MappedFile file = device.data() + (' ' + std::to_string(inode));
        if (begin <= one && one < end) first = file;
        if (begin <= two && two < end) second = file;
    }
    if (!first || !second) return std::nullopt;
    return std::pair(std::move(*first), std::move(*second));
}

/// One page of a file, mapped to learn how the kernel names it.
class Sample {
public:
    explicit Sample(int descriptor) : page_(::mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, descriptor, 0)) {}
    ~Sample() {
        if (mapped()) ::munmap(page_, 1);
    }
    Sample(const Sample&) = delete;
    Sample& operator=(const Sample&) = delete;
    bool mapped() const noexcept { return page_ != MAP_FAILED; }
    std::uintptr_t address() const noexcept { return reinterpret_cast<std::uintptr_t>(page_); }

private:
    void* page_;
};

struct Search {
    const link_map* wanted;
    ElfW(Addr) base;
    std::span<const ElfW(Phdr)> found;
};

int look_at(dl_phdr_info* info, std::size_t, void* context) {
    auto& search = *static_cast<Search*>(context);
    const std::span segments(info->dlpi_phdr, info->dlpi_phnum);
    const auto here = [&](const ElfW(Phdr) & segment) {
        return segment.p_type == PT_DYNAMIC &&
               info->dlpi_addr + segment.p_vaddr == reinterpret_cast<ElfW(Addr)>(search.wanted->l_ld);
    };
    if (std::none_of(segments.begin(), segments.end(), here)) return 0;
    search.base = info->dlpi_addr;
    search.found = segments;
    return 1;
}

}  // namespace

std::optional<LoadedImage> LoadedImage::of(void* handle) {
    const LinkerTurn turn;
    const LinkerUse use({});
    Search search{};
    link_map* map = nullptr;
    if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return std::nullopt;
    search.wanted = map;
    if (::dl_iterate_phdr(look_at, &search) == 0) return std::nullopt;
    return LoadedImage(search.base, search.found);
}

bool LoadedImage::covers(const ElfW(Phdr) & part) const noexcept {
    return std::any_of(segments_.begin(), segments_.end(), [&](const ElfW(Phdr) & segment) {
        return segment.p_type == PT_LOAD && (segment.p_flags & PF_R) != 0 && segment.p_vaddr <= part.p_vaddr &&
               part.p_vaddr - segment.p_vaddr <= segment.p_filesz &&
               part.p_filesz <= segment.p_filesz - (part.p_vaddr - segment.p_vaddr);
    });
}

std::string LoadedImage::notes() const {
    std::string bytes;
    for (const ElfW(Phdr) & segment : segments_)
        if (segment.p_type == PT_NOTE && covers(segment))
            bytes.append(reinterpret_cast<const char*>(base_ + segment.p_vaddr), segment.p_filesz);
    return bytes;
}

bool LoadedImage::has_notes(std::string_view bytes) const noexcept {
    for (const ElfW(Phdr) & segment : segments_) {
        if (segment.p_type != PT_NOTE || !covers(segment)) continue;
        const std::string_view here(reinterpret_cast<const char*>(base_ + segment.p_vaddr), segment.p_filesz);
        if (!bytes.starts_with(here)) return false;
        bytes.remove_prefix(here.size());
    }
    return bytes.empty();
}

std::optional<std::string> LoadedImage::differs_from(const ModuleFile& file, int descriptor) const {
    if (!has_notes(file.notes)) return "its notes, in which a marker stands, are other ones";
    const auto loaded = std::find_if(segments_.begin(), segments_.end(), [](const ElfW(Phdr) & segment) {
        return segment.p_type == PT_LOAD && segment.p_filesz != 0;
    });
    const Sample sample(descriptor);
    if (loaded == segments_.end() || !sample.mapped()) return std::nullopt;
    const auto files = mapped_files(sample.address(), base_ + loaded->p_vaddr);
    if (files && files->first != files->second) return "it is mapped from another file";
    return std::nullopt;
}

bool LoadedImage::has_code_at(const void* address) const noexcept {
    const auto at = reinterpret_cast<ElfW(Addr)>(address);
    return std::any_of(segments_.begin(), segments_.end(), [&](const ElfW(Phdr) & segment) {
        return segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && at - base_ >= segment.p_vaddr &&
               at - base_ - segment.p_vaddr < segment.p_memsz;
    });
}

}  // namespace interlock::detail
