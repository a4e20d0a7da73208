// guest_memory.cpp: what a guest has in its memory: the relocated image, the stand-ins, the heap.
//
// SPDX-License-Identifier: MIT
#include "guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include "guest_impl.hpp"

namespace interlock::auditing {

bool Guest::load(const Image& image, const std::function<std::uint64_t(std::uint32_t)>& address_of_import) {
    Impl& impl = *impl_;
    impl.forget_image();
    for (Region* region : impl.regions()) region->clear();  // all of it: the guest may write anywhere
    impl.allocations.clear();
    impl.resumptions.clear();
    impl.objects_used = impl.heap_used = 0;
    stand_in_count_ = table_count_ = 0;
    executed_ = charged_ = 0;
    asked_processor_ = used_foreign_variable_ = false;
    fault_.clear();
    for (const std::uint64_t place : {end_of_run, resume, table_call})
        std::memcpy(impl.stand_ins.at(place), cpu_.leave.data(), cpu_.leave_size);

    const std::uint64_t first = image.segments.front().address & ~(chunk_size - 1);
    const std::uint64_t end = image.segments.back().address + image.segments.back().size;
    const std::uint64_t span = (end - first + chunk_size - 1) & ~(chunk_size - 1);
    impl.base = cpu_.wide ? base_64 : base_32;
    if (span > (cpu_.wide ? limit_64 : limit_32) - impl.base) return false;
    impl.span = span;
    slide_ = impl.base - first;

    if (image.tls_size > GuestMap::tls_size / 4) return false;

    impl.imports.clear();
    for (std::uint32_t i = 0; i < image.imports.size(); ++i) impl.imports.push_back(address_of_import(i));
    impl.image = &image;
    // Variables lie below the thread pointer (x86, s390x) or above it (the others).
    if (!image.tls_data.empty())
        std::memcpy(impl.tls.at(thread_area + tls_block()), image.tls_data.data(), image.tls_data.size());
    impl.open();
    // The emulated S/390 reports an access to memory that is not there to its own program, and not to this one.
    if (cpu_.architecture == Architecture::s390x)
        for (std::uint64_t address = impl.base; address < impl.base + span; address += chunk_size)
            if (impl.chunk_at(address) == nullptr) return false;
    if (image.format == Format::pe || cpu_.emulator_arch == UC_ARCH_X86) {
        // x86: the first word of the thread area is its own address; Windows: TEB with the table of blocks.
        if (image.format == Format::pe) {
            const std::uint64_t table = thread_area + 0x1000;
            set_word(thread_area + (cpu_.wide ? 0x58 : 0x2c), table);
            set_word(thread_area + (cpu_.wide ? 0x30 : 0x18), thread_area);
            set_word(table, thread_area + 0x2000);
            if (!image.tls_data.empty())
                std::memcpy(impl.tls.at(thread_area + 0x2000), image.tls_data.data(), image.tls_data.size());
        } else {
            set_word(thread_area, thread_area);
        }
    }
    return true;
}

std::optional<std::uint64_t> Guest::to_file(std::uint64_t address) const noexcept {
    return impl_->in_image(address) ? std::optional(address - slide_) : std::nullopt;
}

std::uint64_t Guest::tls_block() const noexcept {
    const Image& image = *impl_->image;
    switch (cpu_.architecture) {
        case Architecture::aarch64:
            return 16;
        case Architecture::arm:
            return 8;
        case Architecture::riscv64:
            return 0;
        default:
            return 0 - ((image.tls_size + image.tls_alignment - 1) & ~(image.tls_alignment - 1));
    }
}

std::uint64_t Guest::value_of(const Fixup& fixup) const {
    const Impl& impl = *impl_;
    switch (fixup.kind) {
        case Fixup::Kind::rebase:
            return fixup.value + slide_;
        case Fixup::Kind::import:
            return fixup.import < impl.imports.size() ? impl.imports[fixup.import] + fixup.value : 0;
        case Fixup::Kind::tls_module:
            return 1;
        case Fixup::Kind::tls_offset:
            return offset_in_block(fixup);
        case Fixup::Kind::tls_from_base:
            return offset_in_block(fixup) + tls_block();
        case Fixup::Kind::tls_descriptor:
        case Fixup::Kind::indirect:
            return fixup.value;
    }
    return 0;
}

std::uint64_t Guest::tls_of_import(std::uint32_t import) noexcept {
    constexpr std::uint64_t first = thread_area + GuestMap::tls_size / 4 + GuestMap::tls_size / 8, each = 64;
    return first + import % 1024 * each;
}

// From the beginning of the image's block, also for what lies in another library's.
std::uint64_t Guest::offset_in_block(const Fixup& fixup) const {
    if (fixup.import == Fixup::no_import || fixup.import >= impl_->imports.size()) return fixup.value;
    return tls_of_import(fixup.import) - thread_area - tls_block() + fixup.value;
}

void Guest::store(std::uint64_t chunk, std::uint8_t* bytes, std::uint64_t address, std::uint64_t value,
                  unsigned size) const {
    for (unsigned i = 0; i < size; ++i) {  // a word may lie across two chunks
        const unsigned shift = 8 * (cpu_.little ? i : size - 1 - i);
        if (address + i >= chunk && address + i < chunk + chunk_size)
            bytes[address + i - chunk] = static_cast<std::uint8_t>(value >> shift);
    }
}

void Guest::apply(const Fixup& fixup, std::uint64_t chunk, std::uint8_t* bytes) {
    const std::uint64_t place = to_guest(fixup.address);
    if (fixup.kind == Fixup::Kind::tls_descriptor) {
        // The function of a descriptor is a stand-in, the first that load() makes; its argument is the offset.
        store(chunk, bytes, place, GuestMap::stand_ins, fixup.width);
        store(chunk, bytes, place + fixup.width, offset_in_block(fixup), fixup.width);
        return;
    }
    store(chunk, bytes, place, value_of(fixup), fixup.width);
}

std::uint64_t Guest::new_stand_in() {
    if (stand_in_count_ >= max_stand_ins) return 0;
    const std::uint64_t address = GuestMap::stand_ins + std::uint64_t{stand_in_count_++} * GuestMap::stand_in_size;
    std::memcpy(impl_->stand_ins.at(address), cpu_.leave.data(), cpu_.leave_size);
    return address;
}

std::uint64_t Guest::new_table() {
    if (table_count_ >= GuestMap::tables_size / GuestMap::table_size) return 0;
    return GuestMap::tables + GuestMap::table_size * std::uint64_t{table_count_++};
}

std::uint64_t Guest::new_object(std::uint64_t size) {
    Impl& impl = *impl_;
    const std::uint64_t rounded = (size + 63) & ~63ull;
    if (rounded < size || rounded > GuestMap::objects_size - impl.objects_used) return out_of_memory(), 0;
    const std::uint64_t address = GuestMap::objects + impl.objects_used;
    impl.objects_used += rounded;
    return address;
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
    if (rounded > GuestMap::heap_size - impl.heap_used) return out_of_memory(), 0;
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
    charge(size / bytes_like_an_instruction);
    for (const Region* region : impl.regions())
        if (region->contains(address, size)) return copy(region->at(address), buffer, size), true;
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

}  // namespace interlock::auditing

#endif
