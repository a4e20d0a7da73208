// guest_mappings.cpp: address space as a guest gets it from the system. What it reserves and does not touch costs
// nothing.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <bit>

#include "emulation/guest_impl.hpp"

namespace interlock::auditing::emulation {

std::uint64_t Guest::map(std::uint64_t size, std::uint64_t alignment) {
    Impl& impl = *impl_;
    constexpr std::uint64_t eager = 4u << 20, most = 4096;
    const std::uint64_t start = cpu_.wide ? GuestMap::mappings_64 : GuestMap::mappings_32;
    const std::uint64_t space = cpu_.wide ? GuestMap::mappings_64_size : GuestMap::mappings_32_size;
    if (size == 0 || size > space || impl.mappings.size() >= most) return 0;
    const std::uint64_t step = std::max(alignment, chunk_size);
    if (!std::has_single_bit(step) || step > space) return 0;
    const std::uint64_t rounded = (size + chunk_size - 1) & ~(chunk_size - 1);
    const std::uint64_t address = (start + impl.space_used + step - 1) & ~(step - 1);
    if (address - start > space || rounded > space - (address - start)) return 0;
    const bool all_at_once = cpu_.architecture == image::Architecture::s390x;  // see load()
    if (all_at_once && rounded > eager) return 0;
    impl.mappings[address] = rounded;
    impl.space_used = address + rounded - start + chunk_size;  // what runs over its end meets nothing
    if (all_at_once)
        for (std::uint64_t place = address; place < address + rounded; place += chunk_size)
            if (impl.chunk_at(place) == nullptr) return 0;
    return address;
}

std::uint64_t Guest::allocate_aligned(std::uint64_t size, std::uint64_t alignment) {
    constexpr std::uint64_t usual = 16, most = 1ull << 32;
    if (alignment <= usual || alignment > most || !std::has_single_bit(alignment)) return allocate(size);
    const std::uint64_t start = size + alignment < size ? 0 : allocate(size + alignment);
    if (start == 0) return 0;
    const std::uint64_t aligned = (start + alignment - 1) & ~(alignment - 1);
    impl_->allocations[aligned] = size;
    return aligned;
}

std::uint64_t Guest::mapped_size(std::uint64_t address) const noexcept { return impl_->mapping_of(address); }

void Guest::clear_mapping(std::uint64_t address, std::uint64_t size) {
    Impl& impl = *impl_;
    size = std::min(size, impl.mapping_of(address));
    const std::uint64_t end = address + size;
    for (auto chunk = impl.chunks.lower_bound(address & ~(chunk_size - 1));
         chunk != impl.chunks.end() && chunk->first < end; ++chunk) {
        const std::uint64_t from = std::max(address, chunk->first), to = std::min(end, chunk->first + chunk_size);
        std::memset(chunk->second.get() + (from - chunk->first), 0, to - from);
        charge((to - from) / bytes_like_an_instruction);
    }
}

}  // namespace interlock::auditing::emulation

#endif
