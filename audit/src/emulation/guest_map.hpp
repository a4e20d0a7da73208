// guest_map.hpp: where things are in a guest, for its memory and for its processor.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace interlock::auditing::emulation {

/// Where things are in the guest. All below 2 GiB, so that it serves 32-bit processors, too.
struct GuestMap {
    static constexpr std::uint64_t stand_ins = 0x6000'0000, stand_ins_size = 16u << 20;
    static constexpr std::uint64_t tables = 0x6100'0000, tables_size = 4u << 20, table_size = 4096;
    static constexpr std::uint64_t objects = 0x6200'0000, objects_size = 64u << 20;
    // Objects of the interpreter, of which it is noticed when somebody reads what nobody wrote.
    static constexpr std::uint64_t seen = 0x6600'0000, seen_size = 16u << 20;
    static constexpr std::uint64_t heap = 0x6800'0000, heap_size = 64u << 20;
    static constexpr std::uint64_t stack = 0x7000'0000, stack_size = 8u << 20;  // as most systems have it
    static constexpr std::uint64_t tls = 0x7200'0000, tls_size = 4u << 20;
    // What mmap() and the like give, of which only what is touched exists; on processors with 64 bits it lies higher.
    static constexpr std::uint64_t mappings_32 = 0x8000'0000, mappings_32_size = 0x6000'0000;
    static constexpr std::uint64_t mappings_64 = 0x7e00'0000'0000, mappings_64_size = 1ull << 40;
    static constexpr std::uint64_t stand_in_size = 64;
    /// The number of the first stand-in for what may be a function or a variable.
    static constexpr std::uint32_t first_unknown = 1u << 17;
};

// What Windows calls the process, its thread and its heap here.
constexpr std::uint64_t windows_process = 4712, windows_thread_id = 4716, windows_heap = GuestMap::heap;

constexpr std::uint64_t chunk_size = 64u << 10, max_chunks = 1024;  // 64 MiB of image in use
constexpr std::uint64_t page_size = 4096;                           // of the emulator
constexpr std::uint64_t base_32 = 0x0100'0000, limit_32 = GuestMap::stand_ins;
// Looks like an address of a real process: some programs use the upper half of an address for something else.
constexpr std::uint64_t base_64 = 0x7f10'0000'0000, limit_64 = 0x7fff'0000'0000;
constexpr std::uint64_t end_of_run = GuestMap::stand_ins + GuestMap::stand_ins_size - GuestMap::stand_in_size;
constexpr std::uint64_t resume = end_of_run - GuestMap::stand_in_size;
constexpr std::uint64_t data_call = resume - GuestMap::stand_in_size;  // calls of what may be written go on here
constexpr std::uint64_t empty_text = data_call - GuestMap::stand_in_size;
constexpr std::uint64_t unknown_stand_ins =
    GuestMap::stand_ins + std::uint64_t{GuestMap::first_unknown} * GuestMap::stand_in_size;
constexpr std::uint32_t max_unknown = (empty_text - unknown_stand_ins) / GuestMap::stand_in_size;
static_assert(unknown_stand_ins % page_size == 0);
constexpr std::uint64_t thread_area = GuestMap::tls + GuestMap::tls_size / 2;
constexpr std::uint64_t macos_thread = GuestMap::tls + GuestMap::tls_size / 8;  // words that macOS keeps for a thread

}  // namespace interlock::auditing::emulation
