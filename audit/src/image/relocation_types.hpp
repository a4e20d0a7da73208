// relocation_types.hpp: what the relocation types of the processors mean, as far as they occur in shared libraries.
// Numbers: the processor supplements to the System V ABI, as in <elf.h>.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <elf.h>

#include <cstdint>

#include "image/image.hpp"

namespace interlock::auditing::image {

enum class Relocation : std::uint8_t {
    unknown,
    none,                   ///< to be ignored
    relative,               ///< base of the image plus addend
    symbol,                 ///< symbol plus addend
    symbol_without_addend,  ///< symbol; what lies there is not an addend
    indirect,               ///< result of the function at base plus addend
    tls_module,
    tls_offset,
    tls_from_base,
    tls_descriptor,
};

constexpr Relocation relocation_kind(Architecture architecture, std::uint32_t type) noexcept {
    if (type == 0) return Relocation::none;  // R_*_NONE
    switch (architecture) {
        case Architecture::x86_64:
            switch (type) {
                case R_X86_64_RELATIVE:
                    return Relocation::relative;
                case R_X86_64_64:
                    return Relocation::symbol;
                case R_X86_64_GLOB_DAT:
                case R_X86_64_JUMP_SLOT:
                    return Relocation::symbol_without_addend;
                case R_X86_64_IRELATIVE:
                    return Relocation::indirect;
                case R_X86_64_DTPMOD64:
                    return Relocation::tls_module;
                case R_X86_64_DTPOFF64:
                    return Relocation::tls_offset;
                case R_X86_64_TPOFF64:
                    return Relocation::tls_from_base;
                case R_X86_64_TLSDESC:
                    return Relocation::tls_descriptor;
                default:
                    return Relocation::unknown;
            }
        case Architecture::i386:
            switch (type) {
                case R_386_RELATIVE:
                    return Relocation::relative;
                case R_386_32:
                    return Relocation::symbol;
                case R_386_GLOB_DAT:
                case R_386_JMP_SLOT:
                    return Relocation::symbol_without_addend;
                case R_386_IRELATIVE:
                    return Relocation::indirect;
                case R_386_TLS_DTPMOD32:
                    return Relocation::tls_module;
                case R_386_TLS_DTPOFF32:
                    return Relocation::tls_offset;
                case R_386_TLS_TPOFF:
                    return Relocation::tls_from_base;
                case R_386_TLS_DESC:
                    return Relocation::tls_descriptor;
                default:
                    return Relocation::unknown;
            }
        case Architecture::aarch64:
            switch (type) {
                case R_AARCH64_RELATIVE:
                    return Relocation::relative;
                case R_AARCH64_ABS64:
                case R_AARCH64_GLOB_DAT:
                case R_AARCH64_JUMP_SLOT:
                    return Relocation::symbol;
                case R_AARCH64_IRELATIVE:
                    return Relocation::indirect;
                case R_AARCH64_TLS_DTPMOD:
                    return Relocation::tls_module;
                case R_AARCH64_TLS_DTPREL:
                    return Relocation::tls_offset;
                case R_AARCH64_TLS_TPREL:
                    return Relocation::tls_from_base;
                case R_AARCH64_TLSDESC:
                    return Relocation::tls_descriptor;
                default:
                    return Relocation::unknown;
            }
        case Architecture::arm:
            switch (type) {
                case R_ARM_RELATIVE:
                    return Relocation::relative;
                case R_ARM_ABS32:
                    return Relocation::symbol;
                case R_ARM_GLOB_DAT:
                case R_ARM_JUMP_SLOT:
                    return Relocation::symbol_without_addend;
                case R_ARM_IRELATIVE:
                    return Relocation::indirect;
                case R_ARM_TLS_DTPMOD32:
                    return Relocation::tls_module;
                case R_ARM_TLS_DTPOFF32:
                    return Relocation::tls_offset;
                case R_ARM_TLS_TPOFF32:
                    return Relocation::tls_from_base;
                case R_ARM_TLS_DESC:
                    return Relocation::tls_descriptor;
                default:
                    return Relocation::unknown;
            }
        case Architecture::ppc64:
        case Architecture::ppc64le:
            switch (type) {
                case R_PPC64_RELATIVE:
                    return Relocation::relative;
                case R_PPC64_ADDR64:
                case R_PPC64_GLOB_DAT:
                case R_PPC64_JMP_SLOT:
                    return Relocation::symbol;
                case R_PPC64_IRELATIVE:
                    return Relocation::indirect;
                case R_PPC64_DTPMOD64:
                    return Relocation::tls_module;
                case R_PPC64_DTPREL64:
                    return Relocation::tls_offset;
                case R_PPC64_TPREL64:
                    return Relocation::tls_from_base;
                default:
                    return Relocation::unknown;
            }
        case Architecture::s390x:
            switch (type) {
                case R_390_RELATIVE:
                    return Relocation::relative;
                case R_390_64:
                case R_390_GLOB_DAT:
                case R_390_JMP_SLOT:
                    return Relocation::symbol;
                case R_390_IRELATIVE:
                    return Relocation::indirect;
                case R_390_TLS_DTPMOD:
                    return Relocation::tls_module;
                case R_390_TLS_DTPOFF:
                    return Relocation::tls_offset;
                case R_390_TLS_TPOFF:
                    return Relocation::tls_from_base;
                default:
                    return Relocation::unknown;
            }
        case Architecture::riscv64:
        case Architecture::riscv32:
            switch (type) {
                case R_RISCV_RELATIVE:
                    return Relocation::relative;
                case R_RISCV_64:
                case R_RISCV_32:
                case R_RISCV_JUMP_SLOT:
                    return Relocation::symbol;
                case 58:  // R_RISCV_IRELATIVE
                    return Relocation::indirect;
                case R_RISCV_TLS_DTPMOD32:
                case R_RISCV_TLS_DTPMOD64:
                    return Relocation::tls_module;
                case R_RISCV_TLS_DTPREL32:
                case R_RISCV_TLS_DTPREL64:
                    return Relocation::tls_offset;
                case R_RISCV_TLS_TPREL32:
                case R_RISCV_TLS_TPREL64:
                    return Relocation::tls_from_base;
                case 12:  // R_RISCV_TLSDESC
                    return Relocation::tls_descriptor;
                default:
                    return Relocation::unknown;
            }
        default:
            return Relocation::unknown;
    }
}

}  // namespace interlock::auditing::image
