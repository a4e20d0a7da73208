// Copies (copies.hpp). Each leaves an ELF note in the file that it is linked into, which says where its flag lies.
// Symbols would not do: those of a static copy may be hidden, and those of another one may be bound to ours.
//
// SPDX-License-Identifier: MIT
#include "copies.hpp"

#include <link.h>

#include <atomic>
#include <cstdint>
#include <cstring>

extern "C" {
__attribute__((visibility("hidden"), used)) std::atomic<std::uint32_t> interlock_runtime_in_use{0};
}

// Sizes of owner and content, type, owner, and the distance from here to the flag.
asm(".pushsection .note.interlock.runtime, \"a\", %note\n"
    ".balign 4\n"
    ".long 12, 4, 1\n"
    ".asciz \"InterlockRT\"\n"
    ".long interlock_runtime_in_use - .\n"
    ".popsection\n");

namespace interlock::detail {

namespace {

constexpr char owner[12] = "InterlockRT";

using Flag = std::atomic<std::uint32_t>;

/// The flag that a note segment speaks of, or null. The dynamic linker has mapped the segment.
Flag* flag_in(const unsigned char* notes, std::size_t size, std::size_t alignment) noexcept {
    const auto padded = [&](std::size_t length) { return (length + alignment - 1) / alignment * alignment; };
    for (std::size_t at = 0; at + 12 <= size;) {
        std::uint32_t header[3];
        std::memcpy(header, notes + at, sizeof header);
        const std::size_t content = padded(sizeof header + header[0]);
        if (content > size - at || header[1] > size - at - content) return nullptr;
        if (header[0] == sizeof owner && header[1] == 4 && header[2] == 1 &&
            std::memcmp(notes + at + sizeof header, owner, sizeof owner) == 0) {
            const unsigned char* place = notes + at + content;
            std::int32_t distance;
            std::memcpy(&distance, place, sizeof distance);
            return reinterpret_cast<Flag*>(reinterpret_cast<std::uintptr_t>(place) +
                                           static_cast<std::intptr_t>(distance));
        }
        at += padded(content + header[1]);
    }
    return nullptr;
}

}  // namespace

void tell_copies(bool has_runtime) noexcept { interlock_runtime_in_use.store(has_runtime ? 1 : 0); }

std::optional<std::string> copy_in_use() {
    std::optional<std::string> file;
    dl_iterate_phdr(
        [](dl_phdr_info* object, std::size_t, void* context) {
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const ElfW(Phdr)& segment = object->dlpi_phdr[i];
                if (segment.p_type != PT_NOTE) continue;
                const auto* notes = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
                const Flag* flag = flag_in(notes, segment.p_memsz, segment.p_align == 8 ? 8 : 4);
                if (flag == nullptr || flag == &interlock_runtime_in_use || flag->load() == 0) continue;
                const bool program = object->dlpi_name == nullptr || *object->dlpi_name == '\0';
                *static_cast<std::optional<std::string>*>(context) = program ? "the program itself" : object->dlpi_name;
                return 1;
            }
            return 0;
        },
        &file);
    return file;
}

}  // namespace interlock::detail
