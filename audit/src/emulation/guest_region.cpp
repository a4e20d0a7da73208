// guest_region.cpp: see guest_region.hpp.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_region.hpp"

#include <sys/mman.h>

#include <new>

namespace interlock::auditing::emulation {

Region::Region(std::uint64_t address, std::uint64_t size) : address_(address), size_(size), room_(size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    bytes_ = static_cast<std::uint8_t*>(memory);
}

Region::~Region() { munmap(bytes_, room_); }

void Region::clear() noexcept { madvise(bytes_, room_, MADV_DONTNEED); }

}  // namespace interlock::auditing::emulation
