// guest_limits.hpp: how much memory of this process a guest may use.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "emulation/guest_map.hpp"

namespace interlock::auditing::emulation {

/// What all that a guest can touch takes of this process, at most.
inline constexpr std::uint64_t most_guest_memory = 224u << 20, least_guest_memory = 48u << 20;
/// Of these the guests of this process may use so many from their next load() on, and never less than the least. Where
/// that is too little the run ends as it does without memory (Stop::memory), and `guest_wanted_more()` is true from
/// then on, until the next call. Not for several threads at once.
void limit_guest_memory(std::uint64_t bytes) noexcept;
bool guest_wanted_more() noexcept;

/// What limit_guest_memory() makes of its number. Stack, tables and thread-local data are always there.
struct GuestLimits {
    std::uint64_t heap = GuestMap::heap_size, objects = GuestMap::objects_size, chunks = max_chunks;
    bool operator==(const GuestLimits&) const = default;
};
GuestLimits guest_limits() noexcept;
/// For the memory of a guest: the limit was in the way.
void want_more_guest_memory() noexcept;

}  // namespace interlock::auditing::emulation
