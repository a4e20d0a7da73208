// linked_objects.cpp: walks dl_iterate_phdr(), but compares only what is new when the linker's counters say that
// something changed. Names are read from the mapped dynamic section, within what the file has.
//
// SPDX-License-Identifier: MIT
#include "linked_objects.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <exception>
#include <iterator>

#include "linker_turn.hpp"
#include "loaded_image.hpp"

namespace interlock::detail {

namespace {

/// The text at an address, if it ends within what of the object is mapped from its file.
std::string mapped_text(const dl_phdr_info& info, ElfW(Addr) address) {
    for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
        const ElfW(Addr) begin = info.dlpi_addr + segment.p_vaddr;
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_R) == 0) continue;
        if (address < begin || address - begin >= segment.p_filesz) continue;
        const auto* text = reinterpret_cast<const char*>(address);
        return {text, strnlen(text, segment.p_filesz - (address - begin))};
    }
    return {};
}

std::string soname_of(const dl_phdr_info& info) {
    ElfW(Addr) strings = 0;
    ElfW(Xword) name = 0;
    bool named = false;
    for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
        if (segment.p_type != PT_DYNAMIC) continue;
        const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + segment.p_vaddr);
        for (; entry->d_tag != DT_NULL; ++entry) {
            if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
            if (entry->d_tag == DT_SONAME) name = entry->d_un.d_val, named = true;
        }
    }
    if (!named || strings == 0) return {};
    // Most linkers have put the address in the place of the offset.
    return mapped_text(info, (strings < info.dlpi_addr ? info.dlpi_addr : 0) + strings + name);
}

bool is_same(const LinkedObject& known, const dl_phdr_info& info, const LoadedImage& image) {
    return known.base == info.dlpi_addr && known.segments == info.dlpi_phdr &&
           known.path == (info.dlpi_name == nullptr ? "" : info.dlpi_name) && image.has_notes(known.notes) &&
           (!known.notes.empty() || known.soname == soname_of(info));
}

}  // namespace

struct LinkedObjects::Walk {
    LinkedObjects& objects;
    bool unchanged = false;
    std::exception_ptr failed;
};

void LinkedObjects::refresh() {
    assert(LinkerTurn::is_here());
    Walk walk{*this, false, nullptr};
    kept_ = 0;
    {
        const LinkerUse use({});
        ::dl_iterate_phdr(visit, &walk);
    }
    if (walk.unchanged) return;
    if (walk.failed) {
        counted_ = false;
        std::rethrow_exception(walk.failed);
    }
    objects_.resize(kept_);
}

// With a lock of the linker: an exception must not pass through it.
int LinkedObjects::visit(dl_phdr_info* info, std::size_t size, void* context) {
    auto& walk = *static_cast<Walk*>(context);
    LinkedObjects& self = walk.objects;
    if (self.kept_ == 0 && size >= offsetof(dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
        walk.unchanged = self.counted_ && self.adds_ == info->dlpi_adds && self.subs_ == info->dlpi_subs;
        if (walk.unchanged) return 1;
        self.adds_ = info->dlpi_adds;
        self.subs_ = info->dlpi_subs;
        self.counted_ = true;
    }
    try {
        self.look_at(*info);
        return 0;
    } catch (...) {
        walk.failed = std::current_exception();
        return 1;
    }
}

void LinkedObjects::look_at(const dl_phdr_info& info) {
    const LoadedImage image(info.dlpi_addr, {info.dlpi_phdr, info.dlpi_phnum});
    // New ones are appended, so what does not match is gone.
    const auto here = objects_.begin() + static_cast<std::ptrdiff_t>(kept_);
    const auto known =
        std::find_if(here, objects_.end(), [&](const LinkedObject& object) { return is_same(object, info, image); });
    if (known != objects_.end()) {
        objects_.erase(here, known);
    } else {
        LinkedObject object{.base = info.dlpi_addr,
                            .segments = info.dlpi_phdr,
                            .path = info.dlpi_name == nullptr ? "" : info.dlpi_name,
                            .soname = soname_of(info),
                            .notes = image.notes(),
                            .file = nullptr};
        object.number = next_number_;
        objects_.insert(here, std::move(object));
        ++next_number_;
    }
    ++kept_;
}

const LibraryRef& LinkedObjects::file_of(std::size_t index, LibraryFiles& files) {
    LinkedObject& object = objects_[index];
    if (object.file) return object.file;
    LibraryRef read = files.read(object.path);
    if (read && (read->error || read->file.notes == object.notes)) object.file = std::move(read);
    return object.file;
}

std::vector<LinkedObject> LinkedObjects::claim_from(std::uint64_t number, const std::string& own_path,
                                                    LibraryFiles& files) {
    std::vector<LinkedObject> fresh;
    for (std::size_t i = 0; i < objects_.size(); ++i) {
        if (objects_[i].number < number || objects_[i].claimed) continue;
        objects_[i].claimed = true;
        if (objects_[i].path == own_path) continue;
        file_of(i, files);
        fresh.push_back(objects_[i]);
    }
    return fresh;
}

}  // namespace interlock::detail
