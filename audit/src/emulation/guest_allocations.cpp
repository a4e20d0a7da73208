// guest_allocations.cpp: what a guest gets while it runs: stand-ins, objects, memory of the heap, address space. What
// it reserves and does not touch costs nothing.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <bit>
#include <cstring>

namespace interlock::auditing::emulation {

std::uint64_t GuestMemory::new_unknown() {
    if (unknown_count_ >= max_unknown) return 0;
    const std::uint64_t address = unknown_stand_ins + std::uint64_t{unknown_count_++} * GuestMap::stand_in_size;
    if (!zero_variables_) set_word(address, empty_text);
    return address;
}

std::uint64_t GuestMemory::new_stand_in() {
    if (stand_in_count_ >= GuestMap::first_unknown) return 0;
    const std::uint64_t address = GuestMap::stand_ins + std::uint64_t{stand_in_count_++} * GuestMap::stand_in_size;
    std::memcpy(stand_ins_.at(address, cpu_.leave_size), cpu_.leave.data(), cpu_.leave_size);
    return address;
}

std::uint64_t GuestMemory::new_table() {
    if (table_count_ >= GuestMap::tables_size / GuestMap::table_size) return 0;
    return GuestMap::tables + GuestMap::table_size * std::uint64_t{table_count_++};
}

std::uint64_t GuestMemory::new_object(std::uint64_t size) {
    const std::uint64_t rounded = (size + 63) & ~63ull;
    if (rounded < size || rounded > objects_.size() - objects_used_) {
        if (objects_.size() < GuestMap::objects_size) want_more_guest_memory();
        return user_->end_for_memory(), 0;
    }
    const std::uint64_t address = GuestMap::objects + objects_used_;
    objects_used_ += rounded;
    return address;
}

std::uint64_t GuestMemory::new_seen_object(std::uint64_t size) {
    const std::uint64_t rounded = (size + 63) & ~63ull, room = std::min<std::uint64_t>(objects_.size(), seen_.size());
    if (rounded < size || rounded > room - std::min(room, seen_used_)) return new_object(size);
    const std::uint64_t offset = seen_used_;
    seen_used_ += rounded;
    seen_written_.resize(seen_used_ / 8);
    return GuestMap::seen + offset;
}

std::uint64_t GuestMemory::new_text(std::string_view text) {
    const std::uint64_t address = allocate(text.size() + 1);
    if (address != 0) write(address, text.data(), text.size());
    return address;
}

// Among the stand-ins nothing can be read.
std::uint64_t GuestMemory::new_watched_variable() {
    constexpr std::uint32_t in_a_page = page_size / GuestMap::stand_in_size;
    const std::uint32_t first = (unknown_count_ + in_a_page - 1) / in_a_page * in_a_page;
    if (first + in_a_page > max_unknown) return 0;
    unknown_count_ = first + in_a_page;
    const std::uint64_t page = unknown_stand_ins + std::uint64_t{first} * GuestMap::stand_in_size;
    watch(page);
    return page;
}

std::uint64_t GuestMemory::new_watched_text(std::string_view open, std::string_view watched) {
    if (open.size() >= page_size || watched.size() >= page_size) return 0;
    const std::uint64_t place = new_object(3 * page_size);
    if (place == 0) return 0;
    const std::uint64_t page = (place + open.size() + page_size - 1) & ~(page_size - 1), start = page - open.size();
    write(start, open.data(), open.size());
    write(page, watched.data(), watched.size());
    watch(page);
    return start;
}

std::uint64_t GuestMemory::allocate(std::uint64_t size) {
    const std::uint64_t rounded = (std::max<std::uint64_t>(size, 1) + 31) & ~15ull;
    constexpr std::uint64_t absurd = 1ull << 46;  // more than a process can have
    if (rounded < size || size >= absurd || (!cpu_.wide && size >= 1ull << 31)) return 0;
    constexpr std::uint64_t large = 1u << 20;
    if (rounded >= large) {
        const std::uint64_t mapped = map(size, 0);
        if (mapped == 0) return user_->end_for_memory(), 0;
        allocations_[mapped] = size;
        return mapped;
    }
    if (rounded > heap_.size() - heap_used_) {
        if (heap_.size() < GuestMap::heap_size) want_more_guest_memory();
        return user_->end_for_memory(), 0;
    }
    const std::uint64_t address = GuestMap::heap + heap_used_;
    heap_used_ += rounded;
    allocations_[address] = size;
    return address;
}

std::uint64_t GuestMemory::allocate_aligned(std::uint64_t size, std::uint64_t alignment) {
    constexpr std::uint64_t usual = 16, most = 1ull << 32;
    if (alignment <= usual || alignment > most || !std::has_single_bit(alignment)) return allocate(size);
    const std::uint64_t start = size + alignment < size ? 0 : allocate(size + alignment);
    if (start == 0) return 0;
    const std::uint64_t aligned = (start + alignment - 1) & ~(alignment - 1);
    allocations_[aligned] = size;
    return aligned;
}

std::uint64_t GuestMemory::allocated_size(std::uint64_t address) const noexcept {
    const auto found = allocations_.find(address);
    return found == allocations_.end() ? 0 : found->second;
}

std::uint64_t GuestMemory::take_given_back(std::uint64_t size) {
    const auto found = given_back_.find(size);
    if (found == given_back_.end() || found->second.empty()) return 0;
    const std::uint64_t address = found->second.back();
    found->second.pop_back();
    return address;
}

std::uint64_t GuestMemory::map(std::uint64_t size, std::uint64_t alignment) {
    constexpr std::uint64_t eager = 4u << 20, most = 4096;
    const std::uint64_t start = cpu_.wide ? GuestMap::mappings_64 : GuestMap::mappings_32;
    const std::uint64_t space = cpu_.wide ? GuestMap::mappings_64_size : GuestMap::mappings_32_size;
    if (size == 0 || size > space || mappings_.size() >= most) return 0;
    const std::uint64_t step = std::max(alignment, chunk_size);
    if (!std::has_single_bit(step) || step > space) return 0;
    const std::uint64_t rounded = (size + chunk_size - 1) & ~(chunk_size - 1);
    const std::uint64_t address = (start + space_used_ + step - 1) & ~(step - 1);
    if (address - start > space || rounded > space - (address - start)) return 0;
    const bool all_at_once = cpu_.architecture == image::Architecture::s390x;  // see take_in_all()
    if (all_at_once && rounded > eager) return 0;
    mappings_[address] = rounded;
    space_used_ = address + rounded - start + chunk_size;  // what runs over its end meets nothing
    if (all_at_once)
        for (std::uint64_t place = address; place < address + rounded; place += chunk_size)
            if (chunk_at(place) == nullptr) return 0;
    return address;
}

std::uint64_t GuestMemory::mapped_size(std::uint64_t address) const noexcept {
    auto after = mappings_.upper_bound(address);
    if (after == mappings_.begin()) return 0;
    --after;
    return address - after->first < after->second ? after->second - (address - after->first) : 0;
}

void GuestMemory::clear_mapping(std::uint64_t address, std::uint64_t size) {
    size = std::min(size, mapped_size(address));
    const std::uint64_t end = address + size;
    for (auto chunk = chunks_.lower_bound(address & ~(chunk_size - 1)); chunk != chunks_.end() && chunk->first < end;
         ++chunk) {
        const std::uint64_t from = std::max(address, chunk->first), to = std::min(end, chunk->first + chunk_size);
        std::memset(chunk->second.get() + (from - chunk->first), 0, to - from);
        effort_.charge((to - from) / bytes_like_an_instruction);
    }
}

}  // namespace interlock::auditing::emulation

#endif
