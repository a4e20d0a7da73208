// cpu.hpp: what has to be known of a processor and its calling convention to call a function and to stand in for one.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// A calling convention on a processor that Unicorn has. Register numbers are Unicorn's.
struct Cpu {
    image::Architecture architecture = image::Architecture::other;
    int emulator_arch = 0, emulator_mode = 0;
    int emulator_model = -1;  ///< one that has what wheels are compiled for; -1: Unicorn's choice
    bool wide = true, little = true;
    int pc = 0, sp = 0;
    int link = -1;  ///< register with the return address; -1: it lies on the stack
    int jump = -1;  ///< register through which a stand-in leaves; -1: it returns through the stack
    int result = 0;
    int result_high = 0;  ///< the second word of a result; 0: none
    int structure = -1;   ///< where the place for a structure is passed; -1: as the first argument
    int thread = -1;      ///< thread pointer; -1: see Guest
    std::array<int, 8> arguments{};
    unsigned argument_registers = 0;
    unsigned stack_arguments = 0;         ///< offset of the first one on the stack from sp at entry
    unsigned frame = 0;                   ///< bytes above sp that a caller leaves for the callee
    std::array<std::uint8_t, 8> leave{};  ///< code of a stand-in: jump through `jump`, or return
    unsigned leave_size = 0;

    unsigned word() const noexcept { return wide ? 8 : 4; }
    bool is_x86() const noexcept {
        return architecture == image::Architecture::x86_64 || architecture == image::Architecture::i386;
    }
};

/// Null where there is no emulation: other processors, ppc64, or a build without emulator. Windows has calling
/// conventions of its own. [any-thread]
const Cpu* cpu_for(image::Architecture architecture, image::Format format) noexcept;

}  // namespace interlock::auditing::emulation
