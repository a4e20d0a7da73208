// guest.cpp: how a guest gets its images.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

namespace interlock::auditing::emulation {

bool Guest::load(std::span<const image::Image* const> images, const GuestMemory::AddressOfImport& address_of_import) {
    bool go_on =
        memory_.can_go_on_with(images) && processor_.can_go_on() && memory_.drop_mappings() && processor_.rewind();
    if (go_on) {
        memory_.forget_watched();
        memory_.forget_places();
    } else {
        forget_images();
    }
    memory_.clear(processor_.is_old());  // all of it: the guest may write anywhere
    processor_.forget_runs();
    effort_.start_again();
    if (!memory_.place(images)) return false;
    memory_.set_imports(address_of_import);
    if (go_on && memory_.refill_chunks()) {
        processor_.start();
    } else {
        processor_.close();
        memory_.forget_chunks();
        processor_.open();
    }
    // The emulated S/390 reports an access to memory that is not there to its own program, and not to this one.
    if (cpu_.architecture == image::Architecture::s390x && !memory_.take_in_all()) return false;
    return memory_.fill_thread_area();
}

void Guest::forget_images() {
    processor_.close();
    memory_.forget_images();
}

}  // namespace interlock::auditing::emulation

#endif
