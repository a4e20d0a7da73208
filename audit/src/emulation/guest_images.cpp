// guest_images.cpp: the images of a guest at their places, relocated, with their thread-local blocks.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <cstring>

namespace interlock::auditing::emulation {

namespace {

constexpr std::uint64_t windows_table = thread_area + 0x1000;  // of the blocks, by their numbers
constexpr std::uint64_t windows_blocks = thread_area + 0x4000;
// What is beyond, on either side, has other uses: variables of other libraries, and what threads keep for themselves.
constexpr std::uint64_t tls_limit = GuestMap::tls_size / 4 - 0x10000;
constexpr std::size_t max_windows_blocks = 256;

std::uint64_t round_up(std::uint64_t size, std::uint64_t to) { return (size + to - 1) & ~(to - 1); }

std::uint64_t first_chunk(const image::Image& image) noexcept {
    return image.segments.front().address & ~(chunk_size - 1);
}
constexpr std::uint64_t base_of_images(bool wide) noexcept { return wide ? base_64 : base_32; }

}  // namespace

std::uint64_t slide_of_module(const image::Image& image) noexcept {
    return base_of_images(image.wide) - first_chunk(image);
}

// One behind the other, with a gap, so that running out of one does not lead into the next. Thread-local blocks lie
// below the thread pointer, one below the other (x86, s390x), or above it (the others).
bool GuestMemory::place(std::span<const image::Image* const> images) {
    const std::uint64_t limit = cpu_.wide ? limit_64 : limit_32;
    std::uint64_t next = base_of_images(cpu_.wide) + (other_machine_ ? 37 * chunk_size : 0);
    const bool below = cpu_.architecture != image::Architecture::aarch64 &&
                       cpu_.architecture != image::Architecture::arm &&
                       cpu_.architecture != image::Architecture::riscv64;
    std::uint64_t tls_used = cpu_.architecture == image::Architecture::aarch64 ? 16
                             : cpu_.architecture == image::Architecture::arm   ? 8
                                                                               : 0;
    for (const image::Image* image : images) {
        Placed placed{.image = image, .number = images_.size(), .base = next};
        const std::uint64_t first = first_chunk(*image);
        const std::uint64_t end = image->segments.back().address + image->segments.back().size;
        placed.span = round_up(end - first, chunk_size);
        if (next > limit || placed.span > limit - next) return false;
        placed.slide = placed.base - first;
        next += placed.span + chunk_size;
        if (image->tls_size > tls_limit) return false;
        if (below) {
            tls_used = round_up(tls_used + image->tls_size, image->tls_alignment);
            placed.tls_block = 0 - tls_used;
        } else {
            // The first block begins at a fixed offset, whatever its alignment.
            if (placed.number > 0) tls_used = round_up(tls_used, image->tls_alignment);
            placed.tls_block = tls_used;
            tls_used += image->tls_size;
        }
        if (tls_used > tls_limit) return false;
        images_.push_back(std::move(placed));
    }
    return true;
}

void GuestMemory::set_imports(const AddressOfImport& address_of_import) {
    for (Placed& placed : images_)
        for (std::uint32_t i = 0; i < placed.image->imports.size(); ++i)
            placed.imports.push_back(address_of_import(placed.number, i));
}

bool GuestMemory::take_in_all() {
    for (const Placed& placed : images_)
        for (std::uint64_t address = placed.base; address < placed.base + placed.span; address += chunk_size)
            if (chunk_at(address) == nullptr) return false;
    return true;
}

// The initial values of thread-local variables. x86: the first word of the thread area is its own address. Windows: the
// TEB, with the table of blocks.
bool GuestMemory::fill_thread_area() {
    const bool windows = images_.front().image->format == image::Format::pe;
    if (windows) {
        set_word(thread_area + (cpu_.wide ? 0x58 : 0x2c), windows_table);
        set_word(thread_area + (cpu_.wide ? 0x30 : 0x18), thread_area);
    } else if (cpu_.is_x86()) {
        set_word(thread_area, thread_area);
        // Never the same, and all different in another run; the lowest byte is zero, as the C library has it.
        const std::uint64_t guard = 0x5bd1'e995'a7c3'f100;
        const unsigned word = cpu_.word();
        for (unsigned i = 1; other_machine_ && i < 4096 / word; ++i)
            set_word(thread_area + i * word, i == 2 ? thread_area : ~std::uint64_t{0});
        set_word(thread_area + (cpu_.wide ? 0x28 : 0x14), other_machine_ ? ~guard & ~std::uint64_t{0xff} : guard);
        if (images_.front().image->format == image::Format::elf) watch(thread_area);
    }
    std::uint64_t next_block = windows_blocks;
    for (const Placed& placed : images_) {
        const image::Image& image = *placed.image;
        std::uint64_t block = thread_area + placed.tls_block;
        if (windows) {
            if (placed.number >= max_windows_blocks) return false;
            block = next_block;
            next_block += round_up(image.tls_size, 16);
            if (next_block > thread_area + tls_limit) return false;
            set_word(windows_table + placed.number * cpu_.word(), block);
            if (placed.number > 0 && image.tls_index_address != 0)  // the module's is 0, as the file has it
                set_number(to_guest(image.tls_index_address, placed.number), placed.number, 4);
        }
        if (!image.tls_data.empty()) {
            std::memcpy(tls_.at(block, image.tls_data.size()), image.tls_data.data(), image.tls_data.size());
            // The template as it is after relocation.
            for (const image::Segment& segment : image.segments) {
                const auto at = static_cast<std::uint64_t>(image.tls_data.data() - segment.data.data());
                if (image.tls_data.data() < segment.data.data() || at >= segment.data.size()) continue;
                const std::uint64_t first = segment.address + at, end = first + image.tls_data.size();
                const auto fixup = std::ranges::lower_bound(image.fixups, first, {}, &image::Fixup::address);
                if (fixup == image.fixups.end() || fixup->address >= end) break;
                if (!read(to_guest(first, placed.number), tls_.at(block, image.tls_data.size()), image.tls_data.size()))
                    return false;
                break;
            }
        }
    }
    return true;
}

std::optional<std::uint64_t> GuestMemory::to_file(std::uint64_t address, std::size_t image) const noexcept {
    if (image >= images_.size()) return std::nullopt;
    const Placed& placed = images_[image];
    return placed.contains(address) ? std::optional(address - placed.slide) : std::nullopt;
}

std::optional<std::size_t> GuestMemory::image_at(std::uint64_t address) const noexcept {
    const Placed* placed = placed_at(address);
    return placed == nullptr ? std::nullopt : std::optional(placed->number);
}

std::uint64_t GuestMemory::value_of(const Placed& placed, const image::Fixup& fixup) const {
    switch (fixup.kind) {
        case image::Fixup::Kind::rebase:
            return fixup.value + placed.slide;
        case image::Fixup::Kind::import:
            return fixup.import < placed.imports.size() ? placed.imports[fixup.import] + fixup.value : 0;
        case image::Fixup::Kind::tls_module:
            return placed.number + 1;
        case image::Fixup::Kind::tls_offset:
            return offset_in_block(placed, fixup);
        case image::Fixup::Kind::tls_from_base:
            return offset_in_block(placed, fixup) + placed.tls_block;
        case image::Fixup::Kind::tls_descriptor:
        case image::Fixup::Kind::indirect:
            return fixup.value;
    }
    return 0;
}

std::uint64_t GuestMemory::tls_of_import(std::string_view name) const {
    constexpr std::uint64_t first = thread_area + GuestMap::tls_size / 4 + GuestMap::tls_size / 8, each = 64;
    const auto [place, _] = tls_imports_.try_emplace(name, tls_imports_.size());
    return first + place->second % 1024 * each;
}

// From the beginning of the image's block, also for what lies in another library's.
std::uint64_t GuestMemory::offset_in_block(const Placed& placed, const image::Fixup& fixup) const {
    if (fixup.import == image::Fixup::no_import || fixup.import >= placed.imports.size()) return fixup.value;
    return tls_of_import(placed.image->imports[fixup.import].name) - thread_area - placed.tls_block + fixup.value;
}

void GuestMemory::store(std::uint64_t chunk, std::uint8_t* bytes, std::uint64_t address, std::uint64_t value,
                        unsigned size) const {
    for (unsigned i = 0; i < size; ++i) {  // a word may lie across two chunks
        const unsigned shift = 8 * (cpu_.little ? i : size - 1 - i);
        if (address + i >= chunk && address + i < chunk + chunk_size)
            bytes[address + i - chunk] = static_cast<std::uint8_t>(value >> shift);
    }
}

void GuestMemory::apply(const Placed& placed, const image::Fixup& fixup, std::uint64_t chunk,
                        std::uint8_t* bytes) const {
    const std::uint64_t place = fixup.address + placed.slide;
    if (fixup.kind == image::Fixup::Kind::tls_descriptor) {
        // The function of a descriptor is a stand-in, the first that is made; its argument is the offset from the
        // module's block.
        store(chunk, bytes, place, GuestMap::stand_ins, fixup.width);
        store(chunk, bytes, place + fixup.width, offset_in_block(placed, fixup) + placed.tls_block - tls_block(0),
              fixup.width);
        return;
    }
    store(chunk, bytes, place, value_of(placed, fixup), fixup.width);
}

bool GuestMemory::may_have_code(std::uint64_t address, std::uint64_t size) const {
    const Placed* placed = placed_at(address);
    if (placed == nullptr) return false;
    const std::uint64_t first = address - placed->slide, last = first + size;  // file addresses
    return std::ranges::any_of(placed->image->segments, [&](const image::Segment& segment) {
        return segment.executable && segment.address < last && segment.address + segment.size > first;
    });
}

void GuestMemory::fill(const Placed& placed, std::uint64_t begin, std::uint8_t* bytes) const {
    std::memset(bytes, 0, chunk_size);
    const std::uint64_t first = begin - placed.slide, last = first + chunk_size;  // file addresses
    for (const image::Segment& segment : placed.image->segments) {
        const std::uint64_t from = std::max(first, segment.address);
        const std::uint64_t to = std::min(last, segment.address + segment.data.size());
        if (from < to) std::memcpy(bytes + (from - first), segment.data.data() + (from - segment.address), to - from);
    }
    constexpr std::uint64_t widest = 16;
    const auto& fixups = placed.image->fixups;
    auto fixup = std::ranges::lower_bound(fixups, first > widest ? first - widest : 0, {}, &image::Fixup::address);
    for (; fixup != fixups.end() && fixup->address < last; ++fixup) apply(placed, *fixup, begin, bytes);
}

}  // namespace interlock::auditing::emulation

#endif
