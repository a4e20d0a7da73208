// guest_rewind.cpp: the same images once more, with other answers: memory and processor are as after a load, and what
// the emulator knows about the images stays, above all their code, of which the translation takes most of the time.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include "emulation/guest_impl.hpp"

namespace interlock::auditing::emulation {

void Guest::forget_images() { impl_->forget_images(); }

void Guest::Impl::keep_processor() {
    check(uc_context_alloc(uc, &reset_state), "keep a processor");
    check(uc_context_save(uc, reset_state), "keep a processor");
    opened_with = guest_limits;
    opened_on_old_processor = guest.old_processor_;
    breakpoints = debug_control();
}

// Breakpoints that a program sets are not in what was kept of the processor.
std::uint64_t Guest::Impl::debug_control() const {
    return guest.cpu_.emulator_arch == UC_ARCH_X86 ? get(UC_X86_REG_DR7) : 0;
}

// Code that the program may have made or changed itself is not to be met again, and not what it was told by a fault. To
// give a page within a mapping other rights makes three mappings of it, so that what was read must be a page of its
// own.
bool Guest::Impl::can_go_on_with(std::span<const image::Image* const> next) const {
    // On another machine the images lie elsewhere.
    const bool same = uc != nullptr && opened_on_old_processor == guest.old_processor_ &&
                      std::ranges::equal(images, next, {}, &Placed::image);
    const bool limits = opened_with.heap == guest_limits.heap && opened_with.objects == guest_limits.objects &&
                        opened_with.chunks == guest_limits.chunks;
    const bool pages = std::ranges::all_of(watched, [&](const auto& page) {
        return page.first == thread_area || (stand_ins.contains(page.first, page_size) && !page.second);
    });
    // On S/390 the processor is prepared by running something.
    return same && limits && pages && debug_control() == breakpoints && !broken && !spoiled &&
           !guest.used_foreign_variable_ && !guest_limits.wanted_more && chunks.size() < guest_limits.chunks / 2 &&
           guest.cpu_.architecture != image::Architecture::s390x;
}

// Before the images are placed again, where they are. False if a new emulator is needed.
bool Guest::Impl::rewind() {
    if (!drop_mappings()) return false;
    if (watched.contains(thread_area) && !set_protection(thread_area, UC_PROT_READ | UC_PROT_WRITE)) return false;
    watched.clear();
    return uc_context_restore(uc, reset_state) == UC_ERR_OK && forget_translated_addresses();
}

// A page that the processor has met is not looked up again, and so neither are its rights. A new mapping ends that.
bool Guest::Impl::forget_translated_addresses() {
    constexpr std::uint64_t nowhere = GuestMap::tls + GuestMap::tls_size;
    return uc_mem_map_ptr(uc, nowhere, page_size, UC_PROT_NONE, tables.at(tables.address(), page_size)) == UC_ERR_OK &&
           uc_mem_unmap(uc, nowhere, page_size) == UC_ERR_OK;
}

// What map() gave is not there until somebody asks for it again.
bool Guest::Impl::drop_mappings() {
    bool all = true;
    std::erase_if(chunks, [&](const auto& chunk) {
        if (placed_at(chunk.first) != nullptr) return false;
        all = all && uc_mem_unmap(uc, chunk.first, chunk_size) == UC_ERR_OK;
        return all;
    });
    mappings.clear();
    space_used = 0;
    return all;
}

// With the addresses that imports have now. The emulator does not notice when code is written to from here, so that has
// to be the same as before.
bool Guest::Impl::refill_chunks() {
    for (const auto& [begin, chunk] : chunks) {
        const Placed* placed = placed_at(begin);
        if (placed == nullptr) return false;
        if (!may_have_code(begin, chunk_size)) {
            fill(*placed, begin, chunk.get());
            continue;
        }
        if (!spare) spare.reset(static_cast<std::uint8_t*>(std::aligned_alloc(page_size, chunk_size)));
        if (!spare) throw std::bad_alloc();
        fill(*placed, begin, spare.get());
        for (std::uint64_t page = 0; page < chunk_size; page += page_size) {
            if (std::memcmp(chunk.get() + page, spare.get() + page, page_size) == 0) continue;
            if (may_have_code(begin + page, page_size)) return false;
            std::memcpy(chunk.get() + page, spare.get() + page, page_size);
        }
    }
    return true;
}

}  // namespace interlock::auditing::emulation

#endif
