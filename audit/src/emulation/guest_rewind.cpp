// guest_rewind.cpp: the same images once more, with other answers: memory and processor are as after a load, and what
// the emulator knows about the images stays, above all their code, of which the translation takes most of the time.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_memory.hpp"
#include "emulation/guest_processor.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>

namespace interlock::auditing::emulation {

// To give a page within a mapping other rights makes three mappings of it, so that what was read must be a page of its
// own.
bool GuestMemory::can_go_on_with(std::span<const image::Image* const> images) const {
    const bool pages = std::ranges::all_of(watched_, [&](const auto& page) {
        return page.first == thread_area || (stand_ins_.contains(page.first, page_size) && !page.second);
    });
    return std::ranges::equal(images_, images, {}, &Placed::image) && pages && !guest_wanted_more() &&
           chunks_.size() < guest_limits().chunks / 2;
}

// What map() gave is not there until somebody asks for it again.
bool GuestMemory::drop_mappings() {
    bool all = true;
    std::erase_if(chunks_, [&](const auto& chunk) {
        if (placed_at(chunk.first) != nullptr) return false;
        all = all && user_->remove_chunk(chunk.first);
        return all;
    });
    mappings_.clear();
    space_used_ = 0;
    return all;
}

// With the addresses that imports have now. The emulator does not notice when code is written to from here, so that has
// to be the same as before.
bool GuestMemory::refill_chunks() {
    for (const auto& [begin, chunk] : chunks_) {
        const Placed* placed = placed_at(begin);
        if (placed == nullptr) return false;
        if (!may_have_code(begin, chunk_size)) {
            fill(*placed, begin, chunk.get());
            continue;
        }
        if (!spare_) spare_ = new_chunk();
        fill(*placed, begin, spare_.get());
        for (std::uint64_t page = 0; page < chunk_size; page += page_size) {
            if (std::memcmp(chunk.get() + page, spare_.get() + page, page_size) == 0) continue;
            if (may_have_code(begin + page, page_size)) return false;
            std::memcpy(chunk.get() + page, spare_.get() + page, page_size);
        }
    }
    return true;
}

void GuestProcessor::keep() {
    check(uc_context_alloc(uc_, &reset_state_), "keep a processor");
    check(uc_context_save(uc_, reset_state_), "keep a processor");
    opened_with_ = guest_limits();
    opened_old_ = old_;
    breakpoints_ = debug_control();
}

// Breakpoints that a program sets are not in what was kept of the processor.
std::uint64_t GuestProcessor::debug_control() const { return cpu_.is_x86() ? get(UC_X86_REG_DR7) : 0; }

// Code that the program may have made or changed itself is not to be met again, and not what it was told by a fault. On
// another machine the images lie elsewhere, and on S/390 the processor is prepared by running something.
bool GuestProcessor::can_go_on() const {
    return uc_ != nullptr && opened_old_ == old_ && opened_with_ == guest_limits() && debug_control() == breakpoints_ &&
           !broken_ && !spoiled_ && !used_foreign_variable_ && cpu_.architecture != image::Architecture::s390x;
}

bool GuestProcessor::rewind() {
    if (memory_.is_watched(thread_area) && !set_protection(thread_area, UC_PROT_READ | UC_PROT_WRITE)) return false;
    return uc_context_restore(uc_, reset_state_) == UC_ERR_OK && forget_translated_addresses();
}

// A page that the processor has met is not looked up again, and so neither are its rights. A new mapping ends that.
bool GuestProcessor::forget_translated_addresses() {
    constexpr std::uint64_t nowhere = GuestMap::tls + GuestMap::tls_size;
    const Region& tables = memory_.tables();
    return uc_mem_map_ptr(uc_, nowhere, page_size, UC_PROT_NONE, tables.at(tables.address(), page_size)) == UC_ERR_OK &&
           uc_mem_unmap(uc_, nowhere, page_size) == UC_ERR_OK;
}

}  // namespace interlock::auditing::emulation

#endif
