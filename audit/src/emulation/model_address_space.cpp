// model_address_space.cpp: memory that a program takes from the system by the page, on Linux, macOS and Windows, and
// the calls of Linux by their numbers, most of which are for that.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"
#include "emulation/model_endings.hpp"
#include "emulation/model_threads.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t failed = ~std::uint64_t{0};
constexpr std::uint64_t page = 4096;

void failure(I& in) { in.result(failed); }
void any_handle(I& in) { in.unknown_number(in.guest().new_object(64), 0); }

// The likely answer is memory; the other runs get it elsewhere, or nothing.
std::uint64_t some_memory(I& in, std::uint64_t size, std::uint64_t alignment) {
    in.assume("memory from the system");
    if (in.fails()) return 0;
    if (!in.likely()) in.guest().map(page);  // so that what follows lies elsewhere
    return in.guest().map(size, alignment);
}
bool is_given(I& in, std::uint64_t address, std::uint64_t size) {
    return address != 0 && in.guest().mapped_size(address) >= size;
}

// A wish for an address is one; with MAP_FIXED it is an order, which only makes sense in what was given before.
std::uint64_t posix_map(I& in, std::uint64_t address, std::uint64_t size, std::uint64_t flags) {
    constexpr std::uint64_t fixed = 0x10;
    if ((flags & fixed) == 0) {
        const std::uint64_t memory = some_memory(in, size, 0);
        return memory == 0 ? failed : memory;
    }
    if (!is_given(in, address, size)) return failed;
    in.guest().clear_mapping(address, size);
    return address;
}
void map_memory(I& in) { in.result(posix_map(in, in.argument(0), in.argument(1), in.argument(3))); }
void advise(I& in, std::uint64_t address, std::uint64_t size, std::uint64_t advice) {
    constexpr std::uint64_t not_needed = 4;
    if (advice == not_needed && in.image().format == image::Format::elf) in.guest().clear_mapping(address, size);
    in.result(0);
}
void advise_memory(I& in) { advise(in, in.argument(0), in.argument(1), in.argument(2)); }
void remap(I& in) {  // (address, old size, new size, flags)
    const std::uint64_t old = in.argument(0), size = in.argument(2);
    if (in.guest().mapped_size(old) >= size) return in.result(old);
    const std::uint64_t fresh = some_memory(in, size, 0);
    if (fresh == 0) return in.result(failed);
    const std::string bytes = bytes_of(in, old, std::min(in.argument(1), size));
    in.guest().write(fresh, bytes.data(), bytes.size());
    in.result(fresh);
}

// ---- macOS: (task, place of the address, size, ...) ----

void mach_give(I& in, std::uint64_t alignment) {
    constexpr std::uint64_t no_space = 3;
    const std::uint64_t memory = some_memory(in, in.argument(2), alignment);
    if (memory == 0) return in.result(no_space);
    in.guest().set_word(in.argument(1), memory);
    in.result(0);
}
void mach_allocate(I& in) { mach_give(in, 0); }
void mach_map(I& in) { mach_give(in, in.argument(3) + 1); }

// ---- Windows ----

constexpr std::uint64_t reserve = 0x2000;

std::uint64_t windows_memory(I& in, std::uint64_t address, std::uint64_t size, std::uint64_t kind,
                             std::uint64_t alignment) {
    if (is_given(in, address, size)) return address & ~(page - 1);
    // At a place of its choice a program gets memory only if that is free, which nobody can know.
    return address == 0 || (kind & reserve) == 0 ? some_memory(in, size, alignment) : 0;
}
void virtual_alloc(I& in) { in.result(windows_memory(in, in.argument(0), in.argument(1), in.argument(2), 0)); }
void virtual_alloc_in(I& in) {  // of a process, which is this one
    in.result(windows_memory(in, in.argument(1), in.argument(2), in.argument(3), 0));
}
// (process, address, size, kind, protection, parameters, count): one may ask for an alignment, its third word.
void virtual_alloc_2(I& in) {
    constexpr std::uint64_t requirements = 1;
    const std::uint64_t list = in.argument(5), count = std::min<std::uint64_t>(in.argument(6) & 0xffffffff, 8);
    std::uint64_t alignment = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (in.guest().number(list + 16 * i, 1) != requirements) continue;
        const std::uint64_t asked = in.guest().word(list + 16 * i + 8).value_or(0);
        alignment = in.guest().word(asked + 2 * std::uint64_t{in.word()}).value_or(0);
    }
    in.result(windows_memory(in, in.argument(1), in.argument(2), in.argument(3), alignment));
}
void native_alloc(I& in) {  // (process, place of the address, bits, place of the size, kind, protection)
    constexpr std::uint64_t no_memory = 0xc0000017;
    const std::uint64_t address = in.guest().word(in.argument(1)).value_or(0);
    const std::uint64_t memory =
        windows_memory(in, address, in.guest().word(in.argument(3)).value_or(0), in.argument(4), 0);
    if (memory != 0) in.guest().set_word(in.argument(1), memory);
    in.result(memory == 0 ? no_memory : 0);
}
void virtual_protect(I& in) {
    constexpr std::uint64_t readable_writable = 4;
    if (const std::uint64_t old = in.argument(3)) in.guest().set_number(old, readable_writable, 4);
    in.result(1);
}
// MEMORY_BASIC_INFORMATION of committed private memory, in pieces of a page where nothing else is known.
void virtual_query(I& in) {
    const std::uint64_t address = in.argument(0) & ~(page - 1), place = in.argument(1), word = in.word();
    const std::uint64_t size = std::max(in.guest().mapped_size(address), page);
    const bool in_image = in.guest().to_file(address).has_value() && !in.image().segments.empty();
    const std::uint64_t start = in_image ? in.guest().to_guest(in.image().segments.front().address) : address;
    const std::uint64_t fields = word == 8 ? 24 : 12;  // behind the two addresses and the first protection
    in.guest().set_word(place, address);
    in.guest().set_word(place + word, start);
    in.guest().set_word(place + 2 * word, 4);
    in.guest().set_word(place + fields, size);
    in.guest().set_number(place + fields + word, 0x1000, 4);
    in.guest().set_number(place + fields + word + 4, 4, 4);
    in.guest().set_number(place + fields + word + 8, in_image ? 0x1000000 : 0x20000, 4);
    in.unknown_number(word == 8 ? 48 : 28, word == 8 ? 48 : 28);
}
void map_view(I& in) { in.result(some_memory(in, std::max(in.argument(4), page), 0)); }

// ---- the calls of Linux by their numbers ----

enum class Call : std::uint8_t {
    other,
    map,
    unmap,
    protect,
    advise,
    futex,
    thread_number,
    process_number,
    clock,
    affinity,
    random,
    yield,
    processor
};
struct Numbers {
    image::Architecture architecture;
    std::array<std::uint16_t, 12> numbers;  // of Call, from map on
};
constexpr std::array<std::uint16_t, 12> generic = {222, 215, 226, 233, 98, 178, 172, 113, 123, 278, 124, 168};
constexpr Numbers calls[] = {
    {image::Architecture::x86_64, {9, 11, 10, 28, 202, 186, 39, 228, 204, 318, 24, 309}},
    {image::Architecture::i386, {192, 91, 125, 219, 240, 224, 20, 265, 242, 355, 158, 318}},
    {image::Architecture::arm, {192, 91, 125, 220, 240, 224, 20, 263, 242, 384, 158, 345}},
    {image::Architecture::s390x, {90, 91, 125, 219, 238, 236, 20, 260, 240, 349, 158, 311}},
    {image::Architecture::aarch64, generic},
    {image::Architecture::riscv64, generic},
};
Call call_of(image::Architecture architecture, std::uint64_t number) {
    const auto known = std::ranges::find(calls, architecture, &Numbers::architecture);
    if (known == std::end(calls)) return Call::other;
    const auto found = std::ranges::find(known->numbers, number);
    if (found == known->numbers.end()) return Call::other;
    return static_cast<Call>(found - known->numbers.begin() + 1);
}

void futex(I& in, std::uint64_t operation) {
    constexpr std::uint64_t wait = 0, wait_bitset = 9;
    const std::uint64_t what = operation & 0x7f;
    if (what == wait || what == wait_bitset) return wait_for_thread(in, 0);
    in.result(0);
}
// Its arguments begin at argument `at`.
void call_system(I& in, std::uint64_t number, unsigned at) {
    const std::uint64_t first = in.argument(at), second = in.argument(at + 1), third = in.argument(at + 2);
    switch (call_of(in.image().architecture, number & 0xffffffff)) {
        case Call::map:
            return in.result(posix_map(in, first, second, in.argument(at + 3)));
        case Call::unmap:
        case Call::protect:
        case Call::yield:
            return in.result(0);
        case Call::advise:
            return advise(in, first, second, third);
        case Call::futex:
            return futex(in, second);
        case Call::thread_number:
        case Call::process_number:
            return in.unknown_number(4716, 9001);
        case Call::clock:
            in.unknown_number(0, 0);
            in.guest().set_word(second, in.likely() ? 1'780'000'000 : 1'900'000'000);
            in.guest().set_word(second + in.word(), in.likely() ? 1000 : 77'000);
            return;
        case Call::affinity: {
            const std::uint64_t size = std::min<std::uint64_t>(second, 8);
            in.guest().set_number(third, in.likely() ? 1 : 7, size == 8 ? 8 : 4);
            return in.unknown_number(size, size);
        }
        case Call::random: {
            const std::uint64_t size = std::min<std::uint64_t>(second, 4096);
            fill_with(in, first, in.likely() ? 4 : 200, size);
            return in.unknown_number(size, size);
        }
        case Call::processor:
            for (const std::uint64_t place : {first, second})
                if (place != 0) in.guest().set_number(place, 0, 4);
            return in.unknown_number(0, 0);
        case Call::other:
            return in.unknown_number(0, failed);
    }
}

void system_call(I& in) { call_system(in, in.argument(0), 1); }

// Not for what the system never gave.
void perhaps_done(I& in) { in.unknown_number(0, in.fails() ? failed : 0); }
void done_at_mapping(I& in) {
    if (in.guest().mapped_size(in.argument(0)) == 0) return perhaps_done(in);
    in.result(0);
}

constexpr ModelEntry table[] = {
    {"mmap", map_memory},
    {"mmap64", map_memory},
    {"munmap", done_at_mapping},
    {"mremap", remap},
    {"mprotect", done_at_mapping},
    {"madvise", advise_memory},
    {"posix_madvise", perhaps_done},
    {"mlock", perhaps_done},
    {"munlock", perhaps_done},
    {"msync", perhaps_done},
    {"sbrk", failure},
    {"brk", failure},
    {"syscall", system_call},
    {"vm_allocate", mach_allocate},
    {"mach_vm_allocate", mach_allocate},
    {"vm_map", mach_map},
    {"mach_vm_map", mach_map},
    {"vm_deallocate", zero},
    {"mach_vm_deallocate", zero},
    {"vm_protect", zero},
    {"mach_vm_protect", zero},
    {"VirtualAlloc", virtual_alloc},
    {"VirtualAllocEx", virtual_alloc_in},
    {"VirtualAllocExNuma", virtual_alloc_in},
    {"VirtualAlloc2", virtual_alloc_2},
    {"VirtualAlloc2FromApp", virtual_alloc_2},
    {"VirtualAllocFromApp", virtual_alloc},
    {"NtAllocateVirtualMemory", native_alloc},
    {"NtFreeVirtualMemory", zero},
    {"VirtualFree", one},
    {"VirtualFreeEx", one},
    {"VirtualProtect", virtual_protect},
    {"VirtualQuery", virtual_query},
    {"VirtualLock", one},
    {"VirtualUnlock", one},
    {"DiscardVirtualMemory", zero},
    {"FlushInstructionCache", one},
    {"CreateFileMappingA", any_handle},
    {"CreateFileMappingW", any_handle},
    {"MapViewOfFile", map_view},
    {"MapViewOfFileEx", map_view},
    {"UnmapViewOfFile", one},
};

}  // namespace

void system_call_of_program(Interpreter& in) {
    constexpr std::uint64_t write = 1, exit = 60, kill = 62, send = 200, exit_all = 231, send_in = 234;
    const std::uint64_t number = in.guest().system_call_number() & 0xffffffff;
    if (number == write) {
        keep_written(in, bytes_of(in, in.argument(1), std::min<std::uint64_t>(in.argument(2), 1024)));
        return in.result(in.argument(2));
    }
    for (const std::uint64_t end : {exit, kill, send, exit_all, send_in})
        if (number == end) return end_with_words(in, "a call of the system");
    call_system(in, number, 0);
}

std::span<const ModelEntry> model_address_space() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
