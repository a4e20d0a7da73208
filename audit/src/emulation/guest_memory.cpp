// guest_memory.cpp: reading and writing the memory of a guest, its chunks, and what is known of who wrote and read.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <cstring>

namespace interlock::auditing::emulation {

bool GuestMemory::access(std::uint64_t address, void* data, std::uint64_t size, bool store) {
    const auto copy = [&](std::uint8_t* memory, std::uint8_t* buffer, std::uint64_t count) {
        if (store)
            std::memcpy(memory, buffer, count);
        else
            std::memcpy(buffer, memory, count);
    };
    auto* buffer = static_cast<std::uint8_t*>(data);
    if (size == 0) return true;
    if (!store && !watched_.empty())
        for (auto page = watched_.lower_bound(address & ~(page_size - 1));
             page != watched_.end() && page->first < address + size; ++page)
            page->second = true;
    effort_.charge(1 + size / bytes_like_an_instruction);
    if (effort_.is_used_up()) return false;  // what a handler does for the guest ends as well
    for (const Region* region : regions())
        if (region->contains(address, size)) {
            if (store && region == &seen_) mark_written(address - GuestMap::seen, size, true);
            return copy(region->at(address, size), buffer, size), true;
        }
    while (size > 0) {
        std::uint8_t* chunk = chunk_at(address);
        if (chunk == nullptr) return false;
        const std::uint64_t offset = address & (chunk_size - 1), count = std::min(size, chunk_size - offset);
        copy(chunk + offset, buffer, count);
        address += count;
        buffer += count;
        size -= count;
    }
    return true;
}

std::optional<std::uint64_t> GuestMemory::number(std::uint64_t address, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    if (!read(address, bytes.data(), size)) return std::nullopt;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{bytes[i]} << (8 * (cpu_.little ? i : size - 1 - i));
    return value;
}

bool GuestMemory::set_number(std::uint64_t address, std::uint64_t value, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    for (unsigned i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(value >> (8 * (cpu_.little ? i : size - 1 - i)));
    return write(address, bytes.data(), size);
}

std::optional<std::string> GuestMemory::text(std::uint64_t address, std::size_t limit) {
    std::string text;
    for (std::uint8_t byte = 0; text.size() < limit; ++address) {
        if (!read(address, &byte, 1)) return std::nullopt;
        if (byte == 0) {
            effort_.charge(text.size() / 4);
            return text;
        }
        text.push_back(static_cast<char>(byte));
    }
    effort_.charge(limit / 4);
    return std::nullopt;
}

void GuestMemory::watch(std::uint64_t page) {
    if (cpu_.architecture == image::Architecture::s390x || !watched_.emplace(page, false).second) return;
    user_->watch_page(page);
}

bool GuestMemory::was_read(std::uint64_t page) const noexcept {
    const auto found = watched_.find(page & ~(page_size - 1));
    return found != watched_.end() && found->second;
}

std::optional<std::uint64_t> GuestMemory::note_read(std::uint64_t address) {
    const auto found = watched_.find(address & ~(page_size - 1));
    if (found == watched_.end()) return std::nullopt;
    found->second = true;
    return found->first;
}

Chunk GuestMemory::new_chunk() {
    Chunk chunk(static_cast<std::uint8_t*>(std::aligned_alloc(page_size, chunk_size)));
    if (!chunk) throw std::bad_alloc();
    return chunk;
}

std::uint8_t* GuestMemory::chunk_at(std::uint64_t address) {
    const std::uint64_t begin = address & ~(chunk_size - 1);
    if (const auto known = chunks_.find(begin); known != chunks_.end()) return known->second.get();
    const Placed* placed = placed_at(address);
    if (placed == nullptr && mapped_size(address) == 0) {
        if (heap_.has_cut_off(address) || objects_.has_cut_off(address)) {
            want_more_guest_memory();
            user_->fail_for_memory();
        }
        return nullptr;
    }
    if (const std::uint64_t most = guest_limits().chunks; chunks_.size() >= most) {
        if (most < max_chunks) want_more_guest_memory();
        user_->fail_for_memory();
        return nullptr;
    }
    Chunk chunk = spare_ ? std::move(spare_) : new_chunk();
    if (placed != nullptr)
        fill(*placed, begin, chunk.get());
    else
        std::memset(chunk.get(), 0, chunk_size);
    if (!user_->add_chunk(begin, chunk.get())) return nullptr;
    return chunks_.emplace(begin, std::move(chunk)).first->second.get();
}

void GuestMemory::mark_written(std::uint64_t offset, std::uint64_t size, bool written) {
    for (std::uint64_t i = offset; i < offset + size && i / 8 < seen_written_.size(); ++i) {
        const auto bit = static_cast<std::uint8_t>(1u << (i % 8));
        if (written)
            seen_written_[i / 8] |= bit;
        else
            seen_written_[i / 8] &= static_cast<std::uint8_t>(~bit);
    }
}

bool GuestMemory::was_written(std::uint64_t offset, std::uint64_t size) const {
    for (std::uint64_t i = offset; i < offset + size && i / 8 < seen_written_.size(); ++i)
        if ((seen_written_[i / 8] >> (i % 8) & 1) == 0) return false;
    return true;
}

std::uint64_t GuestMemory::read_seen(std::uint64_t offset, unsigned size) {
    if (size > 8 || offset > GuestMap::seen_size - size) return 0;
    if (!was_written(offset, size)) read_unwritten_ = true;
    const std::uint8_t* bytes = seen_.at(GuestMap::seen + offset, size);
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{bytes[i]} << (8 * (cpu_.little ? i : size - 1 - i));
    return value;
}

void GuestMemory::write_seen(std::uint64_t offset, unsigned size, std::uint64_t value) {
    if (size > 8 || offset > GuestMap::seen_size - size) return;
    std::uint8_t* bytes = seen_.at(GuestMap::seen + offset, size);
    for (unsigned i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(value >> (8 * (cpu_.little ? i : size - 1 - i)));
    mark_written(offset, size, true);
}

void GuestMemory::clear(bool other_machine) {
    for (Region* region : {&stand_ins_, &tables_, &objects_, &seen_, &heap_, &stack_, &tls_}) region->clear();
    heap_.limit(guest_limits().heap);
    objects_.limit(guest_limits().objects);
    allocations_.clear();
    given_back_.clear();
    tls_imports_.clear();
    rubbish_on_stack_ = read_unwritten_ = false;
    seen_used_ = 0;
    seen_written_.clear();
    other_machine_ = other_machine;
    objects_used_ = other_machine ? 64 * 77 : 0;
    heap_used_ = other_machine ? 16 * 1027 : 0;
    stand_in_count_ = unknown_count_ = table_count_ = 0;
    for (const std::uint64_t address : {end_of_run, resume, data_call})
        std::memcpy(stand_ins_.at(address, cpu_.leave_size), cpu_.leave.data(), cpu_.leave_size);
}

std::uint64_t GuestMemory::fill_stack_with_rubbish(std::uint64_t sp) {
    constexpr std::uint64_t size = 32u << 10, further = 0x4c0;
    if (!rubbish_on_stack_) std::memset(stack_.at(sp - size, size), 0xa5, size);
    rubbish_on_stack_ = true;
    return further;
}

void GuestMemory::forget_chunks() {
    if (!chunks_.empty()) spare_ = std::move(chunks_.begin()->second);
    chunks_.clear();
}

void GuestMemory::forget_images() {
    forget_chunks();
    mappings_.clear();
    watched_.clear();
    space_used_ = 0;
    images_.clear();
}

}  // namespace interlock::auditing::emulation

#endif
