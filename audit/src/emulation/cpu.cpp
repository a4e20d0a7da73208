// cpu.cpp: the processors and calling conventions. Sources: the System V ABI supplements, AAPCS and AAPCS64, the RISC-V
// and s390x ELF ABI documents, and Microsoft's x64 calling convention.
//
// SPDX-License-Identifier: MIT
#include "emulation/cpu.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

namespace interlock::auditing::emulation {

namespace {

constexpr Cpu x86_64 = {
    .architecture = image::Architecture::x86_64,
    .emulator_arch = UC_ARCH_X86,
    .emulator_mode = UC_MODE_64,
    .emulator_model = UC_CPU_X86_NEHALEM,
    .pc = UC_X86_REG_RIP,
    .sp = UC_X86_REG_RSP,
    .result = UC_X86_REG_RAX,
    .result_high = UC_X86_REG_RDX,
    .thread = UC_X86_REG_FS_BASE,
    .arguments = {UC_X86_REG_RDI, UC_X86_REG_RSI, UC_X86_REG_RDX, UC_X86_REG_RCX, UC_X86_REG_R8, UC_X86_REG_R9},
    .argument_registers = 6,
    .stack_arguments = 8,
    .leave = {0xc3},  // ret
    .leave_size = 1};

constexpr Cpu windows_x86_64 = {.architecture = image::Architecture::x86_64,
                                .emulator_arch = UC_ARCH_X86,
                                .emulator_mode = UC_MODE_64,
                                .emulator_model = UC_CPU_X86_NEHALEM,
                                .pc = UC_X86_REG_RIP,
                                .sp = UC_X86_REG_RSP,
                                .result = UC_X86_REG_RAX,
                                .thread = UC_X86_REG_GS_BASE,
                                .arguments = {UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_R8, UC_X86_REG_R9},
                                .argument_registers = 4,
                                .stack_arguments = 40,  // return address and four words for the callee
                                .frame = 32,
                                .leave = {0xc3},
                                .leave_size = 1};

constexpr Cpu i386 = {.architecture = image::Architecture::i386,
                      .emulator_arch = UC_ARCH_X86,
                      .emulator_mode = UC_MODE_32,
                      .emulator_model = UC_CPU_X86_NEHALEM,
                      .wide = false,
                      .pc = UC_X86_REG_EIP,
                      .sp = UC_X86_REG_ESP,
                      .result = UC_X86_REG_EAX,
                      .result_high = UC_X86_REG_EDX,
                      .stack_arguments = 4,
                      .leave = {0xc3},
                      .leave_size = 1};

constexpr Cpu aarch64 = {.architecture = image::Architecture::aarch64,
                         .emulator_arch = UC_ARCH_ARM64,
                         .emulator_mode = UC_MODE_ARM,
                         .emulator_model = UC_CPU_ARM64_MAX,
                         .pc = UC_ARM64_REG_PC,
                         .sp = UC_ARM64_REG_SP,
                         .link = UC_ARM64_REG_X30,
                         .jump = UC_ARM64_REG_X17,
                         .result = UC_ARM64_REG_X0,
                         .result_high = UC_ARM64_REG_X1,
                         .structure = UC_ARM64_REG_X8,
                         .thread = UC_ARM64_REG_TPIDR_EL0,
                         .arguments = {UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2, UC_ARM64_REG_X3,
                                       UC_ARM64_REG_X4, UC_ARM64_REG_X5, UC_ARM64_REG_X6, UC_ARM64_REG_X7},
                         .argument_registers = 8,
                         .leave = {0x20, 0x02, 0x1f, 0xd6},  // br x17
                         .leave_size = 4};

constexpr Cpu arm = {.architecture = image::Architecture::arm,
                     .emulator_arch = UC_ARCH_ARM,
                     .emulator_mode = UC_MODE_ARM,
                     .wide = false,
                     .pc = UC_ARM_REG_PC,
                     .sp = UC_ARM_REG_SP,
                     .link = UC_ARM_REG_LR,
                     .jump = UC_ARM_REG_R12,
                     .result = UC_ARM_REG_R0,
                     .result_high = UC_ARM_REG_R1,
                     .thread = UC_ARM_REG_C13_C0_3,
                     .arguments = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3},
                     .argument_registers = 4,
                     .leave = {0x1c, 0xff, 0x2f, 0xe1},  // bx r12
                     .leave_size = 4};

constexpr Cpu riscv64 = {.architecture = image::Architecture::riscv64,
                         .emulator_arch = UC_ARCH_RISCV,
                         .emulator_mode = UC_MODE_RISCV64,
                         .pc = UC_RISCV_REG_PC,
                         .sp = UC_RISCV_REG_SP,
                         .link = UC_RISCV_REG_RA,
                         .jump = UC_RISCV_REG_T1,
                         .result = UC_RISCV_REG_A0,
                         .result_high = UC_RISCV_REG_A1,
                         .thread = UC_RISCV_REG_TP,
                         .arguments = {UC_RISCV_REG_A0, UC_RISCV_REG_A1, UC_RISCV_REG_A2, UC_RISCV_REG_A3,
                                       UC_RISCV_REG_A4, UC_RISCV_REG_A5, UC_RISCV_REG_A6, UC_RISCV_REG_A7},
                         .argument_registers = 8,
                         .leave = {0x67, 0x00, 0x03, 0x00},  // jr t1
                         .leave_size = 4};

constexpr Cpu s390x = {
    .architecture = image::Architecture::s390x,
    .emulator_arch = UC_ARCH_S390X,
    .emulator_mode = UC_MODE_BIG_ENDIAN,
    .little = false,
    .pc = UC_S390X_REG_PC,
    .sp = UC_S390X_REG_R15,
    .link = UC_S390X_REG_R14,
    .jump = UC_S390X_REG_R1,
    .result = UC_S390X_REG_R2,
    .arguments = {UC_S390X_REG_R2, UC_S390X_REG_R3, UC_S390X_REG_R4, UC_S390X_REG_R5, UC_S390X_REG_R6},
    .argument_registers = 5,
    .stack_arguments = 160,
    .frame = 160,
    .leave = {0x07, 0xf1},  // br %r1
    .leave_size = 2};

}  // namespace

const Cpu* cpu_for(image::Architecture architecture, image::Format format) noexcept {
    switch (architecture) {
        case image::Architecture::x86_64:
            return format == image::Format::pe ? &windows_x86_64 : &x86_64;
        case image::Architecture::i386:
            return &i386;
        case image::Architecture::aarch64:
            return &aarch64;
        case image::Architecture::arm:
            return &arm;
        case image::Architecture::riscv64:
            return &riscv64;
        case image::Architecture::s390x:
            return &s390x;
        default:
            return nullptr;
    }
}

}  // namespace interlock::auditing::emulation

#else

namespace interlock::auditing::emulation {

const Cpu* cpu_for(Architecture, Format) noexcept { return nullptr; }

}  // namespace interlock::auditing::emulation

#endif
