// guest_hooks.cpp: where the emulator and this process meet: what of the memory it gets with which rights, and the
// hooks through which it calls us.
//
// SPDX-License-Identifier: MIT
#include "base/hex.hpp"
#include "emulation/guest_processor.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

namespace interlock::auditing::emulation {

/// What Unicorn calls. No exception may pass through it.
struct GuestProcessor::Hooks {
    static GuestProcessor& of(void* self) { return *static_cast<GuestProcessor*>(self); }

    static bool on_unmapped(uc_engine*, uc_mem_type type, std::uint64_t address, int size, std::int64_t, void* self) {
        GuestProcessor& processor = of(self);
        GuestMemory& memory = processor.memory_;
        const std::uint64_t last = address + (size > 0 ? static_cast<std::uint64_t>(size) - 1 : 0);
        try {
            const bool more = memory.has_place_for(last);
            if (memory.chunk_at(address) != nullptr && (!more || memory.chunk_at(last) != nullptr)) return true;
        } catch (...) {
            processor.fail_for_memory();
        }
        if (processor.stop_ == Stop::memory) return false;
        const char* what = type == UC_MEM_FETCH_UNMAPPED   ? "runs code at "
                           : type == UC_MEM_WRITE_UNMAPPED ? "writes to "
                                                           : "reads ";
        processor.fault_ = what + base::hex(address) + ", where there is no memory";
        return false;
    }

    static std::uint64_t on_seen_read(uc_engine*, std::uint64_t offset, unsigned size, void* self) {
        return of(self).memory_.read_seen(offset, size);
    }
    static void on_seen_write(uc_engine*, std::uint64_t offset, unsigned size, std::uint64_t value, void* self) {
        of(self).memory_.write_seen(offset, size, value);
    }

    static bool on_protected(uc_engine* uc, uc_mem_type, std::uint64_t address, int, std::int64_t, void* self) {
        GuestProcessor& processor = of(self);
        if (const auto page = processor.memory_.note_read(address)) return processor.set_protection(*page, UC_PROT_ALL);
        processor.used_foreign_variable_ = true;
        return uc_mem_protect(uc, GuestMap::stand_ins, GuestMap::stand_ins_size, UC_PROT_ALL) == UC_ERR_OK;
    }

    static void on_block(uc_engine*, std::uint64_t address, std::uint32_t size, void* self) {
        GuestProcessor& processor = of(self);
        processor.block_ = address;
        processor.effort_.run(size);
        if (processor.effort_.is_used_up()) processor.end(Stop::instructions);
    }

    static void on_stand_in(uc_engine*, std::uint64_t address, std::uint32_t, void* self) {
        of(self).arrive_at_stand_in(address);
    }

    static int on_cpuid(uc_engine*, void* self) {
        of(self).answer_cpuid();
        return 1;
    }

    // Other processors report it as an exception, which is the end as well.
    static void on_system_call(uc_engine*, void* self) {
        GuestProcessor& processor = of(self);
        if (processor.cpu_.architecture == image::Architecture::x86_64 &&
            processor.memory_.module()->format == image::Format::elf)
            return processor.pass_system_call_on();
        processor.fault_ = "calls the system by itself";
        processor.end(Stop::fault);
    }

    static void on_cycles(uc_engine*, std::uint64_t, std::uint32_t, void* self) { of(self).asked_cycles_ = true; }
    static void on_nothing(uc_engine*, std::uint64_t, std::uint32_t, void*) {}
};

void GuestProcessor::add_hook(int type, void* callback, std::uint64_t begin, std::uint64_t end) {
    uc_hook hook = 0;
    check(uc_hook_add(uc_, &hook, type, callback, this, begin, end), "add a hook");
}

void GuestProcessor::add_hooks() {
    add_hook(UC_HOOK_MEM_UNMAPPED, reinterpret_cast<void*>(&Hooks::on_unmapped), 1, 0);
    add_hook(UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT, reinterpret_cast<void*>(&Hooks::on_protected), 1, 0);
    add_hook(UC_HOOK_BLOCK, reinterpret_cast<void*>(&Hooks::on_block), 1, 0);
    add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&Hooks::on_stand_in), GuestMap::stand_ins,
             GuestMap::tables + GuestMap::tables_size - 1);
    if (!cpu_.is_x86()) return;
    const auto add = [&](void* callback, int instruction) {
        uc_hook hook = 0;
        check(uc_hook_add(uc_, &hook, UC_HOOK_INSN, callback, this, 1, 0, instruction), "add a hook");
    };
    add(reinterpret_cast<void*>(&Hooks::on_cpuid), UC_X86_INS_CPUID);
    add(reinterpret_cast<void*>(&Hooks::on_system_call), UC_X86_INS_SYSCALL);
    add(reinterpret_cast<void*>(&Hooks::on_system_call), UC_X86_INS_SYSENTER);
}

// The translator of x86 keeps something for each arithmetic instruction of the x87 until its block ends, has room for
// some hundred, and does not look. A hook for each instruction makes blocks short.
void GuestProcessor::shorten_blocks(std::uint64_t begin, const std::uint8_t* bytes) {
    if (!cpu_.is_x86() || !memory_.may_have_code(begin, chunk_size)) return;
    constexpr unsigned many = 128;
    unsigned found = 0;  // without a way out, so that compilers make vectors of it
    for (std::uint64_t i = 0; i + 1 < chunk_size; ++i)
        found += static_cast<unsigned>(static_cast<unsigned>((bytes[i] & 0xfd) == 0xdc) &
                                       static_cast<unsigned>(bytes[i + 1] >= 0xc0));
    if (found >= many)
        add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&Hooks::on_nothing), begin, begin + chunk_size - 1);
    notice_cycles(begin, bytes);
}

// rdtsc and rdtscp, or what looks like them: a hook for the one instruction costs nothing elsewhere.
void GuestProcessor::notice_cycles(std::uint64_t begin, const std::uint8_t* bytes) {
    constexpr unsigned most = 64;
    unsigned found = 0;
    for (std::uint64_t i = 0; i + 2 < chunk_size && found < most; ++i) {
        if (bytes[i] != 0x0f || (bytes[i + 1] != 0x31 && (bytes[i + 1] != 0x01 || bytes[i + 2] != 0xf9))) continue;
        add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&Hooks::on_cycles), begin + i, begin + i);
        ++found;
    }
}

void GuestProcessor::map(const Region& region, std::uint64_t address, std::uint64_t size, std::uint32_t allowed) const {
    check(uc_mem_map_ptr(uc_, address, size, allowed, region.at(address, size)), "map memory");
}

void GuestProcessor::map_regions() {
    const Region &stand_ins = memory_.stand_ins(), &tables = memory_.tables(), &seen = memory_.seen(),
                 &tls = memory_.tls();
    for (const Region* region : memory_.regions()) {
        if (region == &seen && notices_reads()) {
            check(
                uc_mmio_map(uc_, seen.address(), seen.size(), &Hooks::on_seen_read, this, &Hooks::on_seen_write, this),
                "map memory");
            continue;
        }
        std::uint32_t allowed = UC_PROT_ALL;
        if (cpu_.architecture == image::Architecture::s390x) {
            // Of which Unicorn 2.0 knows no protection.
        } else if (region == &stand_ins) {
            // What is read there is code of a stand-in, and not the variable that the module takes it for.
            if (!used_foreign_variable_) allowed = UC_PROT_EXEC;
        } else if (region != &tables) {
            // A pointer that was made up leads to data; what lies there would run on and on.
            allowed = UC_PROT_READ | UC_PROT_WRITE;
        }
        // The head of the thread is watched in most runs. To take a page out of a mapping costs a visit to each of
        // its pages, so it is one of its own from the start.
        if (region == &tls) {
            map(*region, region->address(), thread_area - region->address(), allowed);
            map(*region, thread_area, page_size, allowed);
            map(*region, thread_area + page_size, region->address() + region->size() - thread_area - page_size,
                allowed);
            continue;
        }
        map(*region, region->address(), region->size(), allowed);
    }
    for (const auto& [address, chunk] : memory_.chunks())
        if (!map_chunk(address, chunk.get())) check(UC_ERR_MAP, "map memory");
    for (const auto& [address, chunk] : memory_.chunks()) shorten_blocks(address, chunk.get());
}

// Code can only be run where the file has some. A chunk can have parts of several segments.
bool GuestProcessor::map_chunk(std::uint64_t begin, std::uint8_t* bytes) const {
    std::uint64_t mapped = 0;
    std::uint32_t allowed = protection(begin);
    for (std::uint64_t end = page_size; end <= chunk_size; end += page_size) {
        const bool last = end == chunk_size;
        const std::uint32_t next = last ? allowed : protection(begin + end);
        if (!last && next == allowed) continue;
        if (uc_mem_map_ptr(uc_, begin + mapped, end - mapped, allowed, bytes + mapped) != UC_ERR_OK) return false;
        mapped = end;
        allowed = next;
    }
    return true;
}

std::uint32_t GuestProcessor::protection(std::uint64_t page) const {
    if (!memory_.image_at(page)) return memory_.mapped_size(page) != 0 ? UC_PROT_READ | UC_PROT_WRITE : UC_PROT_NONE;
    const bool code = memory_.may_have_code(page, page_size);
    return code || cpu_.architecture == image::Architecture::s390x ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_WRITE;
}

bool GuestProcessor::set_protection(std::uint64_t page, std::uint32_t allowed) const {
    return uc_mem_protect(uc_, page, page_size, allowed) == UC_ERR_OK;
}

void GuestProcessor::protect_watched() const {
    for (const auto& [page, read] : memory_.watched())
        if (!read && !memory_.stand_ins().contains(page, page_size)) set_protection(page, UC_PROT_NONE);
}

bool GuestProcessor::add_chunk(std::uint64_t address, std::uint8_t* bytes) {
    if (!map_chunk(address, bytes)) return false;
    shorten_blocks(address, bytes);
    return true;
}

bool GuestProcessor::remove_chunk(std::uint64_t address) { return uc_mem_unmap(uc_, address, chunk_size) == UC_ERR_OK; }

void GuestProcessor::watch_page(std::uint64_t page) {
    if (uc_ != nullptr && !memory_.stand_ins().contains(page, page_size)) set_protection(page, UC_PROT_NONE);
}

}  // namespace interlock::auditing::emulation

#endif
