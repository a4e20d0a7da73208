// guest_memory.cpp: what a guest has in its memory: the relocated image, the stand-ins, the heap.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include "emulation/guest_impl.hpp"

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

GuestLimits guest_limits;

void limit_guest_memory(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t fixed =
        most_guest_memory - GuestMap::heap_size - GuestMap::objects_size - max_chunks * chunk_size;
    guest_limits = {};
    if (bytes >= most_guest_memory) return;
    const std::uint64_t quarter = (std::max(bytes, least_guest_memory) - fixed) / 4 & ~(chunk_size - 1);
    guest_limits = {quarter, quarter, 2 * quarter / chunk_size, false};
}

bool guest_wanted_more() noexcept { return guest_limits.wanted_more; }

bool Guest::load(std::span<const image::Image* const> images,
                 const std::function<std::uint64_t(std::size_t, std::uint32_t)>& address_of_import) {
    Impl& impl = *impl_;
    bool go_on = impl.can_go_on_with(images) && impl.rewind();
    if (go_on)
        impl.images.clear();
    else
        impl.forget_images();
    for (Region* region : impl.regions()) region->clear();  // all of it: the guest may write anywhere
    impl.heap.limit(guest_limits.heap);
    impl.objects.limit(guest_limits.objects);
    impl.allocations.clear();
    impl.resumptions.clear();
    impl.tls_imports.clear();
    impl.rubbish_on_stack = false;
    impl.seen_used = 0;
    impl.seen_written.clear();
    // Another machine has other addresses.
    impl.objects_used = old_processor_ ? 64 * 77 : 0;
    impl.heap_used = old_processor_ ? 16 * 1027 : 0;
    stand_in_count_ = unknown_count_ = table_count_ = 0;
    executed_ = charged_ = 0;
    asked_processor_ = asked_cycles_ = read_unwritten_ = used_foreign_variable_ = false;
    fault_.clear();
    for (const std::uint64_t address : {end_of_run, resume, data_call})
        std::memcpy(impl.stand_ins.at(address, cpu_.leave_size), cpu_.leave.data(), cpu_.leave_size);

    if (!place(images)) return false;
    for (Placed& placed : impl.images)
        for (std::uint32_t i = 0; i < placed.image->imports.size(); ++i)
            placed.imports.push_back(address_of_import(placed.number, i));
    if (go_on) go_on = impl.refill_chunks();
    if (go_on) {
        impl.protect_watched();
        impl.start_processor();
    } else {
        impl.forget_chunks();
        impl.open();
    }
    // The emulated S/390 reports an access to memory that is not there to its own program, and not to this one.
    if (cpu_.architecture == image::Architecture::s390x)
        for (const Placed& placed : impl.images)
            for (std::uint64_t address = placed.base; address < placed.base + placed.span; address += chunk_size)
                if (impl.chunk_at(address) == nullptr) return false;
    return fill_thread_area();
}

// One behind the other, with a gap, so that running out of one does not lead into the next. Thread-local blocks lie
// below the thread pointer, one below the other (x86, s390x), or above it (the others).
bool Guest::place(std::span<const image::Image* const> images) {
    Impl& impl = *impl_;
    const std::uint64_t limit = cpu_.wide ? limit_64 : limit_32;
    std::uint64_t next = base_of_images(cpu_.wide) + (old_processor_ ? 37 * chunk_size : 0);
    const bool below = cpu_.architecture != image::Architecture::aarch64 &&
                       cpu_.architecture != image::Architecture::arm &&
                       cpu_.architecture != image::Architecture::riscv64;
    std::uint64_t tls_used = cpu_.architecture == image::Architecture::aarch64 ? 16
                             : cpu_.architecture == image::Architecture::arm   ? 8
                                                                               : 0;
    for (const image::Image* image : images) {
        Placed placed{.image = image, .number = impl.images.size(), .base = next};
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
        impl.images.push_back(std::move(placed));
    }
    return true;
}

// The initial values of thread-local variables. x86: the first word of the thread area is its own address. Windows: the
// TEB, with the table of blocks.
bool Guest::fill_thread_area() {
    Impl& impl = *impl_;
    const bool windows = impl.images.front().image->format == image::Format::pe;
    if (windows) {
        set_word(thread_area + (cpu_.wide ? 0x58 : 0x2c), windows_table);
        set_word(thread_area + (cpu_.wide ? 0x30 : 0x18), thread_area);
    } else if (cpu_.emulator_arch == UC_ARCH_X86) {
        set_word(thread_area, thread_area);
        // Never the same, and all different in another run; the lowest byte is zero, as the C library has it.
        const std::uint64_t guard = 0x5bd1'e995'a7c3'f100;
        const unsigned word = cpu_.word();
        for (unsigned i = 1; old_processor_ && i < 4096 / word; ++i)
            set_word(thread_area + i * word, i == 2 ? thread_area : ~std::uint64_t{0});
        set_word(thread_area + (cpu_.wide ? 0x28 : 0x14), old_processor_ ? ~guard & ~std::uint64_t{0xff} : guard);
        if (impl.images.front().image->format == image::Format::elf) watch(thread_area);
    }
    std::uint64_t next_block = windows_blocks;
    for (const Placed& placed : impl.images) {
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
            std::memcpy(impl.tls.at(block, image.tls_data.size()), image.tls_data.data(), image.tls_data.size());
            // The template as it is after relocation.
            for (const image::Segment& segment : image.segments) {
                const auto at = static_cast<std::uint64_t>(image.tls_data.data() - segment.data.data());
                if (image.tls_data.data() < segment.data.data() || at >= segment.data.size()) continue;
                const std::uint64_t first = segment.address + at, end = first + image.tls_data.size();
                const auto fixup = std::ranges::lower_bound(image.fixups, first, {}, &image::Fixup::address);
                if (fixup == image.fixups.end() || fixup->address >= end) break;
                if (!read(to_guest(first, placed.number), impl.tls.at(block, image.tls_data.size()),
                          image.tls_data.size()))
                    return false;
                break;
            }
        }
    }
    return true;
}

std::uint64_t Guest::to_guest(std::uint64_t file_address, std::size_t image) const noexcept {
    return file_address + impl_->images[image].slide;
}

std::optional<std::uint64_t> Guest::to_file(std::uint64_t address, std::size_t image) const noexcept {
    if (image >= impl_->images.size()) return std::nullopt;
    const Placed& placed = impl_->images[image];
    return placed.contains(address) ? std::optional(address - placed.slide) : std::nullopt;
}

std::optional<std::size_t> Guest::image_at(std::uint64_t address) const noexcept {
    const Placed* placed = impl_->placed_at(address);
    return placed == nullptr ? std::nullopt : std::optional(placed->number);
}

std::uint64_t Guest::tls_block(std::size_t image) const noexcept { return impl_->images[image].tls_block; }

std::uint64_t Guest::value_of(const Placed& placed, const image::Fixup& fixup) const {
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

std::uint64_t Guest::tls_of_import(std::string_view name) const {
    constexpr std::uint64_t first = thread_area + GuestMap::tls_size / 4 + GuestMap::tls_size / 8, each = 64;
    const auto [place, _] = impl_->tls_imports.try_emplace(name, impl_->tls_imports.size());
    return first + place->second % 1024 * each;
}

// From the beginning of the image's block, also for what lies in another library's.
std::uint64_t Guest::offset_in_block(const Placed& placed, const image::Fixup& fixup) const {
    if (fixup.import == image::Fixup::no_import || fixup.import >= placed.imports.size()) return fixup.value;
    return tls_of_import(placed.image->imports[fixup.import].name) - thread_area - placed.tls_block + fixup.value;
}

void Guest::store(std::uint64_t chunk, std::uint8_t* bytes, std::uint64_t address, std::uint64_t value,
                  unsigned size) const {
    for (unsigned i = 0; i < size; ++i) {  // a word may lie across two chunks
        const unsigned shift = 8 * (cpu_.little ? i : size - 1 - i);
        if (address + i >= chunk && address + i < chunk + chunk_size)
            bytes[address + i - chunk] = static_cast<std::uint8_t>(value >> shift);
    }
}

void Guest::apply(const Placed& placed, const image::Fixup& fixup, std::uint64_t chunk, std::uint8_t* bytes) {
    const std::uint64_t place = fixup.address + placed.slide;
    if (fixup.kind == image::Fixup::Kind::tls_descriptor) {
        // The function of a descriptor is a stand-in, the first that load() makes; its argument is the offset from the
        // module's block.
        store(chunk, bytes, place, GuestMap::stand_ins, fixup.width);
        store(chunk, bytes, place + fixup.width, offset_in_block(placed, fixup) + placed.tls_block - tls_block(),
              fixup.width);
        return;
    }
    store(chunk, bytes, place, value_of(placed, fixup), fixup.width);
}

std::uint64_t Guest::new_unknown() {
    if (unknown_count_ >= max_unknown) return 0;
    const std::uint64_t address = unknown_stand_ins + std::uint64_t{unknown_count_++} * GuestMap::stand_in_size;
    if (!zero_variables_) set_word(address, empty_text);
    return address;
}

void Guest::watch(std::uint64_t page) {
    Impl& impl = *impl_;
    if (cpu_.architecture == image::Architecture::s390x || !impl.watched.emplace(page, false).second) return;
    if (impl.uc != nullptr && !impl.stand_ins.contains(page, page_size)) impl.set_protection(page, UC_PROT_NONE);
}

bool Guest::was_read(std::uint64_t page) const noexcept {
    const auto found = impl_->watched.find(page & ~(page_size - 1));
    return found != impl_->watched.end() && found->second;
}

// Among the stand-ins nothing can be read.
std::uint64_t Guest::new_watched_variable() {
    constexpr std::uint32_t in_a_page = page_size / GuestMap::stand_in_size;
    const std::uint32_t first = (unknown_count_ + in_a_page - 1) / in_a_page * in_a_page;
    if (first + in_a_page > max_unknown) return 0;
    unknown_count_ = first + in_a_page;
    const std::uint64_t page = unknown_stand_ins + std::uint64_t{first} * GuestMap::stand_in_size;
    watch(page);
    return page;
}

std::uint64_t Guest::new_watched_text(std::string_view open, std::string_view watched) {
    if (open.size() >= page_size || watched.size() >= page_size) return 0;
    const std::uint64_t place = new_object(3 * page_size);
    if (place == 0) return 0;
    const std::uint64_t page = round_up(place + open.size(), page_size), start = page - open.size();
    write(start, open.data(), open.size());
    write(page, watched.data(), watched.size());
    watch(page);
    return start;
}

bool Guest::used_thread_head() const noexcept { return was_read(thread_area); }

std::uint64_t Guest::new_stand_in() {
    if (stand_in_count_ >= first_unknown) return 0;
    const std::uint64_t address = GuestMap::stand_ins + std::uint64_t{stand_in_count_++} * GuestMap::stand_in_size;
    std::memcpy(impl_->stand_ins.at(address, cpu_.leave_size), cpu_.leave.data(), cpu_.leave_size);
    return address;
}

std::uint64_t Guest::new_table() {
    if (table_count_ >= GuestMap::tables_size / GuestMap::table_size) return 0;
    return GuestMap::tables + GuestMap::table_size * std::uint64_t{table_count_++};
}

std::uint64_t Guest::new_object(std::uint64_t size) {
    Impl& impl = *impl_;
    const std::uint64_t rounded = (size + 63) & ~63ull;
    if (rounded < size || rounded > impl.objects.size() - impl.objects_used) {
        if (impl.objects.size() < GuestMap::objects_size) impl.want_more();
        return out_of_memory(), 0;
    }
    const std::uint64_t address = GuestMap::objects + impl.objects_used;
    impl.objects_used += rounded;
    return address;
}

std::uint64_t Guest::new_seen_object(std::uint64_t size) {
    Impl& impl = *impl_;
    const std::uint64_t rounded = (size + 63) & ~63ull,
                        room = std::min<std::uint64_t>(impl.objects.size(), impl.seen.size());
    if (rounded < size || rounded > room - std::min(room, impl.seen_used)) return new_object(size);
    const std::uint64_t offset = impl.seen_used;
    impl.seen_used += rounded;
    impl.seen_written.resize(impl.seen_used / 8);
    return GuestMap::seen + offset;
}

bool Guest::is_written(std::uint64_t address, std::uint64_t size) const {
    return !impl_->seen.contains(address, size) || impl_->was_written(address - GuestMap::seen, size);
}

void Guest::forget_written(std::uint64_t address, std::uint64_t size) {
    if (impl_->seen.contains(address, size)) impl_->mark_written(address - GuestMap::seen, size, false);
}

std::uint64_t Guest::allocate(std::uint64_t size) {
    Impl& impl = *impl_;
    const std::uint64_t rounded = (std::max<std::uint64_t>(size, 1) + 31) & ~15ull;
    constexpr std::uint64_t absurd = 1ull << 46;  // more than a process can have
    if (rounded < size || size >= absurd || (!cpu_.wide && size >= 1ull << 31)) return 0;
    constexpr std::uint64_t large = 1u << 20;
    if (rounded >= large) {
        const std::uint64_t mapped = map(size);
        if (mapped == 0) return out_of_memory(), 0;
        impl.allocations[mapped] = size;
        return mapped;
    }
    if (rounded > impl.heap.size() - impl.heap_used) {
        if (impl.heap.size() < GuestMap::heap_size) impl.want_more();
        return out_of_memory(), 0;
    }
    const std::uint64_t address = GuestMap::heap + impl.heap_used;
    impl.heap_used += rounded;
    impl.allocations[address] = size;
    return address;
}

std::uint64_t Guest::allocated_size(std::uint64_t address) const noexcept {
    const auto found = impl_->allocations.find(address);
    return found == impl_->allocations.end() ? 0 : found->second;
}

bool Guest::access(std::uint64_t address, void* data, std::uint64_t size, bool store) {
    Impl& impl = *impl_;
    const auto copy = [&](std::uint8_t* memory, std::uint8_t* buffer, std::uint64_t count) {
        if (store)
            std::memcpy(memory, buffer, count);
        else
            std::memcpy(buffer, memory, count);
    };
    auto* buffer = static_cast<std::uint8_t*>(data);
    if (size == 0) return true;
    if (!store && !impl.watched.empty())
        for (auto page = impl.watched.lower_bound(address & ~(page_size - 1));
             page != impl.watched.end() && page->first < address + size; ++page)
            page->second = true;
    charge(1 + size / bytes_like_an_instruction);
    if (spent() > impl.budget) return false;  // what a handler does for the guest ends as well
    for (const Region* region : impl.regions())
        if (region->contains(address, size)) {
            if (store && region == &impl.seen) impl.mark_written(address - GuestMap::seen, size, true);
            return copy(region->at(address, size), buffer, size), true;
        }
    while (size > 0) {
        std::uint8_t* chunk = impl.chunk_at(address);
        if (chunk == nullptr) return false;
        const std::uint64_t offset = address & (chunk_size - 1), count = std::min(size, chunk_size - offset);
        copy(chunk + offset, buffer, count);
        address += count;
        buffer += count;
        size -= count;
    }
    return true;
}

bool Guest::read(std::uint64_t address, void* to, std::uint64_t size) { return access(address, to, size, false); }

bool Guest::write(std::uint64_t address, const void* from, std::uint64_t size) {
    return access(address, const_cast<void*>(from), size, true);
}

std::optional<std::uint64_t> Guest::number(std::uint64_t address, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    if (!read(address, bytes.data(), size)) return std::nullopt;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{bytes[i]} << (8 * (cpu_.little ? i : size - 1 - i));
    return value;
}

bool Guest::set_number(std::uint64_t address, std::uint64_t value, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    for (unsigned i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(value >> (8 * (cpu_.little ? i : size - 1 - i)));
    return write(address, bytes.data(), size);
}

std::optional<std::string> Guest::text(std::uint64_t address, std::size_t limit) {
    std::string text;
    for (std::uint8_t byte = 0; text.size() < limit; ++address) {
        if (!read(address, &byte, 1)) return std::nullopt;
        if (byte == 0) {
            charge(text.size() / 4);
            return text;
        }
        text.push_back(static_cast<char>(byte));
    }
    charge(limit / 4);
    return std::nullopt;
}

std::uint64_t Guest::new_text(std::string_view text) {
    const std::uint64_t address = allocate(text.size() + 1);
    if (address != 0) write(address, text.data(), text.size());
    return address;
}

}  // namespace interlock::auditing::emulation

#else

namespace interlock::auditing::emulation {

void limit_guest_memory(std::uint64_t) noexcept {}
bool guest_wanted_more() noexcept { return false; }

}  // namespace interlock::auditing::emulation

#endif
