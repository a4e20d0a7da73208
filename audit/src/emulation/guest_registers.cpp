// guest_registers.cpp: the registers of a guest: what the system sets before a program runs, the answers of cpuid, and
// names for what the emulator cannot run.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_processor.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

#include <array>
#include <cstring>
#include <string_view>

namespace interlock::auditing::emulation {

void GuestProcessor::set(int reg, std::uint64_t value) const { uc_reg_write(uc_, reg, &value); }

std::uint64_t GuestProcessor::get(int reg) const {
    std::uint64_t value = 0;
    uc_reg_read(uc_, reg, &value);
    return cpu_.wide ? value : value & 0xffffffff;
}

// Floating point and vector registers are off after a reset, on some.
void GuestProcessor::prepare_processor() const {
    switch (cpu_.architecture) {
        case image::Architecture::x86_64:
        case image::Architecture::i386:
            set(UC_X86_REG_MXCSR, 0x1f80);  // as a process begins
            break;
        case image::Architecture::aarch64:
            set(UC_ARM64_REG_CPACR_EL1, 3u << 20);
            break;
        case image::Architecture::arm: {
            std::uint64_t access = 0;
            uc_reg_read(uc_, UC_ARM_REG_C1_C0_2, &access);
            set(UC_ARM_REG_C1_C0_2, access | 0xf00000);
            set(UC_ARM_REG_FPEXC, 0x40000000);
            break;
        }
        case image::Architecture::riscv64:
            set(UC_RISCV_REG_MSTATUS, 0x6000);
            break;
        default:
            break;
    }
}

// The base of FS and GS comes from a descriptor table, of which the first entry is not used. When one segment is
// loaded, the attributes of the stack's are looked at again, so that needs a descriptor, too.
void GuestProcessor::set_segments() const {
    constexpr std::uint64_t table = thread_area + 0x3000;
    const auto descriptor = [](std::uint64_t start) {
        constexpr std::uint64_t limit = 0xfffff, access = 0x93, flags = 0xc;  // 4 GiB, writable data, 32-bit
        return (limit & 0xffff) | (start & 0xffffff) << 16 | access << 40 | (limit >> 16) << 48 | flags << 52 |
               (start >> 24) << 56;
    };
    const std::array<std::uint64_t, 3> descriptors = {0, descriptor(thread_area), descriptor(0)};
    std::memcpy(memory_.tls().at(table, sizeof descriptors), descriptors.data(), sizeof descriptors);
    uc_x86_mmr gdtr{};
    gdtr.base = table;
    gdtr.limit = sizeof descriptors - 1;
    uc_reg_write(uc_, UC_X86_REG_GDTR, &gdtr);
    for (const int flat : {UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_ES}) set(flat, 16);
    for (const int own : {UC_X86_REG_FS, UC_X86_REG_GS}) set(own, 8);
}

void GuestProcessor::set_thread_pointer() const {
    const Cpu& cpu = cpu_;
    if (cpu.architecture == image::Architecture::s390x) {
        set(UC_S390X_REG_PSWM, 3ull << 31);  // addresses of 64 bits; the rest in prepare_s390x()
    } else if (cpu.architecture == image::Architecture::i386) {
        set_segments();
    } else if (cpu.architecture == image::Architecture::aarch64 && memory_.module()->format == image::Format::pe) {
        set(UC_ARM64_REG_X18, thread_area);  // the TEB
    } else {
        set(cpu.thread, thread_area);
    }
    const image::Format format = memory_.module()->format;
    if (format == image::Format::macho) {
        // Words of the thread, of which the first is the thread itself.
        const bool arm = cpu.architecture == image::Architecture::aarch64;
        set(arm ? int{UC_ARM64_REG_TPIDRRO_EL0} : int{UC_X86_REG_GS_BASE}, macos_thread);
        memory_.set_word(macos_thread, macos_thread);
    }
    if (format == image::Format::pe) set_windows_thread();
}

// TEB and PEB, as far as they are documented and code reads them by itself. See GuestMemory::fill_thread_area() for the
// rest.
void GuestProcessor::set_windows_thread() const {
    const bool wide = cpu_.wide;
    constexpr std::uint64_t process = thread_area - 0x10000;
    const auto set_at = [&](std::uint64_t place, unsigned narrow, unsigned wider, std::uint64_t value) {
        memory_.set_word(place + (wide ? wider : narrow), value);
    };
    set_at(thread_area, 0x04, 0x08, GuestMap::stack + GuestMap::stack_size);
    set_at(thread_area, 0x08, 0x10, GuestMap::stack);
    set_at(thread_area, 0x20, 0x40, windows_process);
    set_at(thread_area, 0x24, 0x48, windows_thread_id);
    set_at(thread_area, 0x30, 0x60, process);
    set_at(process, 0x18, 0x30, windows_heap);
    memory_.set_number(process + (wide ? 0x118 : 0xa4), 10, 4);  // Windows 10
    memory_.set_number(process + (wide ? 0x120 : 0xac), 19045, 2);
}

// Floating point and vectors have to be switched on in a control register, and the thread pointer is in two access
// registers. Unicorn 2.0 lets none of them through, so the processor loads them itself.
void GuestProcessor::prepare_s390x() {
    constexpr std::uint64_t place = GuestMap::stack, value = place + 64;                // nothing is there yet
    constexpr std::array<std::uint8_t, 14> code = {0xeb, 0x00, 0x20, 0x00, 0x00, 0x2f,  // lctlg %c0, %c0, 0(%r2)
                                                   0xb2, 0x4e, 0x00, 0x03,              // sar %a0, %r3
                                                   0xb2, 0x4e, 0x00, 0x14};             // sar %a1, %r4
    constexpr std::uint64_t allowed = 0x60000;  // the registers of floating point, and of vectors
    memory_.write(place, code.data(), code.size());
    memory_.set_number(value, allowed, 8);
    set(UC_S390X_REG_R2, value);
    set(UC_S390X_REG_R3, thread_area >> 32);
    set(UC_S390X_REG_R4, thread_area);
    const GuestEffort before = effort_;
    effort_.allow_all();
    check(uc_emu_start(uc_, place, place + code.size(), 0, 0), "prepare the processor");
    std::memset(memory_.stack().at(place, 128), 0, 128);
    uc_ctl_remove_cache(uc_, place, place + 128);
    effort_ = before;
}

// Unicorn hides features that it has, and modules refuse to load without: the answer is that of x86-64-v2, or the
// least that 64-bit code may expect.
void GuestProcessor::answer_cpuid() {
    asked_ = true;
    const auto leaf = static_cast<std::uint32_t>(get(UC_X86_REG_EAX));
    std::array<std::uint32_t, 4> answer{};  // eax, ebx, ecx, edx
    switch (leaf) {
        case 0:
            answer = {7, 0x756e6547, 0x6c65746e, 0x49656e69};  // "GenuineIntel"
            break;
        case 1:  // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT; FPU, TSC, CX8, CMOV, CLFLUSH, MMX, FXSR, SSE, SSE2
            answer = {0x000106a3, 0x00000800, old_ ? 0 : 0x00982201u, 0x07888111};
            break;
        case 0x80000000:
            answer[0] = 0x80000001;
            break;
        case 0x80000001:  // LAHF; SYSCALL, NX, LM
            answer = {0, 0, 1, 0x20100800};
            break;
        default:
            break;
    }
    const std::array registers = {UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX};
    for (std::size_t i = 0; i < answer.size(); ++i) set(registers[i], answer[i]);
}

// For people: what stands at the program counter, where the emulator could not go on. Empty if that says nothing.
std::string GuestProcessor::what_it_ran(bool invalid) const {
    std::array<std::uint8_t, 16> code{};
    const std::uint64_t counter = get(cpu_.pc);
    std::size_t size = 0;
    while (size < code.size() && memory_.read(counter + size, &code[size], 1)) ++size;
    const auto word = static_cast<std::uint32_t>(code[0] | code[1] << 8 | code[2] << 16 | code[3] << 24);
    switch (cpu_.architecture) {
        case image::Architecture::x86_64:
        case image::Architecture::i386: {
            std::size_t i = 0;
            constexpr std::string_view prefixes = "\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3";
            while (i + 2 < size && prefixes.find(static_cast<char>(code[i])) != std::string_view::npos) ++i;
            // Without 64 bits, these are other instructions, unless what follows names no memory.
            const bool vex = cpu_.wide || code[i + 1] >= 0xc0;
            if ((code[i] == 0xc4 || code[i] == 0xc5) && vex)
                return "runs an instruction that the emulator does not know (AVX)";
            if (code[i] == 0x62 && vex) return "runs an instruction that the emulator does not know (AVX-512)";
            if (code[0] == 0x0f && code[1] == 0x0b) return "runs into a trap (ud2)";
            if (code[0] == 0xcd && code[1] == 0x29) return "runs into a trap (fastfail)";
            // The program counter is behind it then.
            if (std::uint8_t before = 0; code[0] == 0xcc || (memory_.read(counter - 1, &before, 1) && before == 0xcc))
                if (!invalid) return "runs into a trap (int3)";
            break;
        }
        case image::Architecture::aarch64:
            if ((word & 0xffe0'001f) == 0xd420'0000) return "runs into a trap (brk)";
            if ((word & 0xffff'0000) == 0) return "runs into a trap (udf)";
            if ((word & 0xffe0'001f) == 0xd400'0001) return "calls the system by itself";
            break;
        default:
            break;
    }
    return invalid ? "runs an instruction that the emulator does not know" : "";
}

}  // namespace interlock::auditing::emulation

#endif
