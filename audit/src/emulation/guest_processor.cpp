// guest_processor.cpp: the registers of a guest: what the system sets before a program runs, the answers of cpuid,
// calls into the guest and returns from it, and names for what the emulator cannot run.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include "emulation/guest_impl.hpp"

namespace interlock::auditing::emulation {

// Floating point and vector registers are off after a reset, on some.
void Guest::Impl::prepare_processor() {
    switch (guest.cpu_.architecture) {
        case image::Architecture::x86_64:
        case image::Architecture::i386:
            set(UC_X86_REG_MXCSR, 0x1f80);  // as a process begins
            break;
        case image::Architecture::aarch64:
            set(UC_ARM64_REG_CPACR_EL1, 3u << 20);
            break;
        case image::Architecture::arm: {
            std::uint64_t access = 0;
            uc_reg_read(uc, UC_ARM_REG_C1_C0_2, &access);
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
void Guest::Impl::set_segments() const {
    constexpr std::uint64_t table = thread_area + 0x3000;
    const auto descriptor = [](std::uint64_t start) {
        constexpr std::uint64_t limit = 0xfffff, access = 0x93, flags = 0xc;  // 4 GiB, writable data, 32-bit
        return (limit & 0xffff) | (start & 0xffffff) << 16 | access << 40 | (limit >> 16) << 48 | flags << 52 |
               (start >> 24) << 56;
    };
    const std::array<std::uint64_t, 3> descriptors = {0, descriptor(thread_area), descriptor(0)};
    std::memcpy(tls.at(table, sizeof descriptors), descriptors.data(), sizeof descriptors);
    uc_x86_mmr gdtr{};
    gdtr.base = table;
    gdtr.limit = sizeof descriptors - 1;
    uc_reg_write(uc, UC_X86_REG_GDTR, &gdtr);
    for (const int flat : {UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_ES}) set(flat, 16);
    for (const int own : {UC_X86_REG_FS, UC_X86_REG_GS}) set(own, 8);
}

void Guest::Impl::set_thread_pointer() const {
    const Cpu& cpu = guest.cpu_;
    if (cpu.architecture == image::Architecture::s390x) {
        set(UC_S390X_REG_PSWM, 3ull << 31);  // addresses of 64 bits; the rest in prepare_s390x()
    } else if (cpu.architecture == image::Architecture::i386) {
        set_segments();
    } else if (cpu.architecture == image::Architecture::aarch64 && images.front().image->format == image::Format::pe) {
        set(UC_ARM64_REG_X18, thread_area);  // the TEB
    } else {
        set(cpu.thread, thread_area);
    }
    const image::Format format = images.front().image->format;
    if (format == image::Format::macho) {
        // Words of the thread, of which the first is the thread itself.
        const bool arm = cpu.architecture == image::Architecture::aarch64;
        set(arm ? int{UC_ARM64_REG_TPIDRRO_EL0} : int{UC_X86_REG_GS_BASE}, macos_thread);
        guest.set_word(macos_thread, macos_thread);
    }
    if (format == image::Format::pe) set_windows_thread();
}

// TEB and PEB, as far as they are documented and code reads them by itself. See Guest::load() for the rest.
void Guest::Impl::set_windows_thread() const {
    const bool wide = guest.cpu_.wide;
    constexpr std::uint64_t process = thread_area - 0x10000;
    const auto set_at = [&](std::uint64_t place, unsigned narrow, unsigned wider, std::uint64_t value) {
        guest.set_word(place + (wide ? wider : narrow), value);
    };
    set_at(thread_area, 0x04, 0x08, GuestMap::stack + GuestMap::stack_size);
    set_at(thread_area, 0x08, 0x10, GuestMap::stack);
    set_at(thread_area, 0x20, 0x40, windows_process);
    set_at(thread_area, 0x24, 0x48, windows_thread_id);
    set_at(thread_area, 0x30, 0x60, process);
    set_at(process, 0x18, 0x30, windows_heap);
    guest.set_number(process + (wide ? 0x118 : 0xa4), 10, 4);  // Windows 10
    guest.set_number(process + (wide ? 0x120 : 0xac), 19045, 2);
}

// Floating point and vectors have to be switched on in a control register, and the thread pointer is in two access
// registers. Unicorn 2.0 lets none of them through, so the processor loads them itself.
void Guest::Impl::prepare_s390x() {
    constexpr std::uint64_t place = GuestMap::stack, value = place + 64;                // nothing is there yet
    constexpr std::array<std::uint8_t, 14> code = {0xeb, 0x00, 0x20, 0x00, 0x00, 0x2f,  // lctlg %c0, %c0, 0(%r2)
                                                   0xb2, 0x4e, 0x00, 0x03,              // sar %a0, %r3
                                                   0xb2, 0x4e, 0x00, 0x14};             // sar %a1, %r4
    constexpr std::uint64_t allowed = 0x60000;  // the registers of floating point, and of vectors
    guest.write(place, code.data(), code.size());
    guest.set_number(value, allowed, 8);
    set(UC_S390X_REG_R2, value);
    set(UC_S390X_REG_R3, thread_area >> 32);
    set(UC_S390X_REG_R4, thread_area);
    const auto executed = guest.executed_, charged = guest.charged_, limit = budget;
    budget = ~std::uint64_t{0};
    check(uc_emu_start(uc, place, place + code.size(), 0, 0), "prepare the processor");
    std::memset(stack.at(place, 128), 0, 128);
    uc_ctl_remove_cache(uc, place, place + 128);
    guest.executed_ = executed;
    guest.charged_ = charged;
    budget = limit;
}

// Unicorn hides features that it has, and modules refuse to load without: the answer is that of x86-64-v2, or the
// least that 64-bit code may expect.
int Guest::Impl::on_cpuid(uc_engine*, void* self) {
    const auto& impl = *static_cast<Impl*>(self);
    impl.guest.asked_processor_ = true;
    const auto leaf = static_cast<std::uint32_t>(impl.get(UC_X86_REG_EAX));
    std::array<std::uint32_t, 4> answer{};  // eax, ebx, ecx, edx
    switch (leaf) {
        case 0:
            answer = {7, 0x756e6547, 0x6c65746e, 0x49656e69};  // "GenuineIntel"
            break;
        case 1:  // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT; FPU, TSC, CX8, CMOV, CLFLUSH, MMX, FXSR, SSE, SSE2
            answer = {0x000106a3, 0x00000800, impl.guest.old_processor_ ? 0 : 0x00982201u, 0x07888111};
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
    for (std::size_t i = 0; i < answer.size(); ++i) impl.set(registers[i], answer[i]);
    return 1;
}

void Guest::Impl::put_result() {
    if (guest.pending_result_) set(guest.cpu_.result, *guest.pending_result_);
    if (guest.pending_high_ && guest.cpu_.result_high != 0) set(guest.cpu_.result_high, *guest.pending_high_);
    guest.pending_result_.reset();
    guest.pending_high_.reset();
}

// The fourth argument is in another register than that of a call, which is not kept anyway.
void Guest::Impl::pass_system_call_on() {
    set(UC_X86_REG_RCX, get(UC_X86_REG_R10));
    try {
        guest.use_stack(0, false);
        (*handler)(system_call);
        guest.charge(per_call);
        put_result();
    } catch (...) {
        thrown = std::current_exception();
        stop = Stop::asked;
        uc_emu_stop(uc);
    }
}

// What takes its arguments off the stack returns to its caller from where the last one lies.
void Guest::Impl::take_arguments_off() {
    if (guest.takes_ == 0 || guest.cpu_.link >= 0) return;
    const std::uint64_t sp = get(guest.cpu_.sp), back = guest.return_address();
    guest.set_word(sp + guest.takes_, back);
    set(guest.cpu_.sp, sp + guest.takes_);
}

// The stand-in was entered as by a call; the call to `function` comes back to `resume`, and from there to the
// caller.
void Guest::Impl::call_first(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value,
                             std::function<void(std::uint64_t)> then) {
    const Cpu& cpu = guest.cpu_;
    const std::uint64_t sp = cpu.link < 0 ? get(cpu.sp) : 0;
    constexpr std::size_t deepest = 10'000;  // functions that call each other by way of the interpreter, without end
    if (resumptions.size() >= deepest) return guest.out_of_memory();
    resumptions.push_back({guest.return_address(), value, sp, guest.takes_, std::move(then)});
    if (cpu.link < 0) {
        std::uint64_t top = sp;
        // Arguments lie behind the return address; nobody puts back the words of the caller there, so room is made
        // below them. `sp` comes back by itself, whoever takes the arguments off.
        if (cpu.argument_registers == 0) {
            top = sp - 48;
            for (unsigned i = 0; i < std::min<std::size_t>(arguments.size(), most_arguments_called); ++i)
                guest.set_word(top + (i + 1) * cpu.word(), arguments[i]);
        }
        guest.set_word(top, resume);
        top -= cpu.word();
        guest.set_word(top, function);
        set(cpu.sp, top);
    } else {
        set(cpu.link, resume);
        target = function;
    }
    const std::size_t in_registers = std::min<std::size_t>(cpu.argument_registers, most_arguments_called);
    for (unsigned i = 0; i < std::min(arguments.size(), in_registers); ++i) set(cpu.arguments[i], arguments[i]);
}

void Guest::Impl::leave_resumption() {
    const Cpu& cpu = guest.cpu_;
    if (resumptions.empty()) {
        stop = Stop::fault;
        guest.fault_ = "returns to where it did not come from";
        uc_emu_stop(uc);
        return;
    }
    Resumption last = std::move(resumptions.back());
    resumptions.pop_back();
    if (last.then) return go_on(std::move(last));
    set(cpu.result, last.value);
    if (cpu.link < 0) {
        guest.set_word(last.sp + last.takes, last.return_address);
        set(cpu.sp, last.sp + last.takes);
    } else {
        set(cpu.link, last.return_address);
        target = last.return_address;
    }
}

// All is again as it was when the stand-in was entered, but for the arguments.
void Guest::Impl::go_on(Resumption last) {
    const Cpu& cpu = guest.cpu_;
    const std::uint64_t returned = get(cpu.result);
    if (cpu.link < 0) {
        guest.set_word(last.sp, last.return_address);
        set(cpu.sp, last.sp);
    } else {
        set(cpu.link, last.return_address);
        target = last.return_address;
    }
    guest.use_stack(last.takes, false);
    guest.pending_result_.reset();
    guest.pending_high_.reset();
    const std::size_t before = resumptions.size();
    last.then(returned);
    guest.charge(per_call);
    if (resumptions.size() != before) return;
    put_result();
    take_arguments_off();
}

// For people: what stands at the program counter, where the emulator could not go on. Empty if that says nothing.
std::string Guest::Impl::what_it_ran(bool invalid) {
    std::array<std::uint8_t, 16> code{};
    const std::uint64_t counter = get(guest.cpu_.pc);
    std::size_t size = 0;
    while (size < code.size() && guest.read(counter + size, &code[size], 1)) ++size;
    const auto word = static_cast<std::uint32_t>(code[0] | code[1] << 8 | code[2] << 16 | code[3] << 24);
    switch (guest.cpu_.architecture) {
        case image::Architecture::x86_64:
        case image::Architecture::i386: {
            std::size_t i = 0;
            constexpr std::string_view prefixes = "\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3";
            while (i + 2 < size && prefixes.find(static_cast<char>(code[i])) != std::string_view::npos) ++i;
            // Without 64 bits, these are other instructions, unless what follows names no memory.
            const bool vex = guest.cpu_.wide || code[i + 1] >= 0xc0;
            if ((code[i] == 0xc4 || code[i] == 0xc5) && vex)
                return "runs an instruction that the emulator does not know (AVX)";
            if (code[i] == 0x62 && vex) return "runs an instruction that the emulator does not know (AVX-512)";
            if (code[0] == 0x0f && code[1] == 0x0b) return "runs into a trap (ud2)";
            if (code[0] == 0xcd && code[1] == 0x29) return "runs into a trap (fastfail)";
            // The program counter is behind it then.
            if (std::uint8_t before = 0; code[0] == 0xcc || (guest.read(counter - 1, &before, 1) && before == 0xcc))
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
