// guest_limits.cpp: see guest_limits.hpp. One process judges one file at a time, so there is one set of limits.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_limits.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

GuestLimits limits;
bool wanted_more = false;

}  // namespace

void limit_guest_memory(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t fixed =
        most_guest_memory - GuestMap::heap_size - GuestMap::objects_size - max_chunks * chunk_size;
    limits = {};
    wanted_more = false;
    if (bytes >= most_guest_memory) return;
    const std::uint64_t quarter = (std::max(bytes, least_guest_memory) - fixed) / 4 & ~(chunk_size - 1);
    limits = {quarter, quarter, 2 * quarter / chunk_size};
}

bool guest_wanted_more() noexcept { return wanted_more; }
GuestLimits guest_limits() noexcept { return limits; }
void want_more_guest_memory() noexcept { wanted_more = true; }

}  // namespace interlock::auditing::emulation

#else

namespace interlock::auditing::emulation {

void limit_guest_memory(std::uint64_t) noexcept {}
bool guest_wanted_more() noexcept { return false; }

}  // namespace interlock::auditing::emulation

#endif
