// guest_effort.hpp: how much a guest has done, and how much it may do: its own instructions, and the work that the
// model and the memory do for it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace interlock::auditing::emulation {

constexpr std::uint64_t per_call = 16;                   // instructions that a call of a stand-in counts for
constexpr std::uint64_t bytes_like_an_instruction = 16;  // of what is copied for the guest

class GuestEffort {
public:
    /// From here on all is counted anew.
    void start_again() noexcept { executed_ = charged_ = 0; }
    /// A basic block of so many bytes was run: about as many instructions as that has.
    void run(std::uint32_t bytes) noexcept { executed_ += bytes / 4 + 1; }
    /// Work that was done for the guest counts like its own.
    void charge(std::uint64_t instructions) noexcept { charged_ += instructions; }

    std::uint64_t executed() const noexcept { return executed_; }
    /// The same, with what was charged.
    std::uint64_t spent() const noexcept { return executed_ + charged_; }

    /// So much more until it is used up; without an end, outside of a run.
    void allow(std::uint64_t instructions) noexcept { limit_ = spent() + instructions; }
    void allow_all() noexcept { limit_ = ~std::uint64_t{0}; }
    bool is_used_up() const noexcept { return spent() > limit_; }

private:
    std::uint64_t executed_ = 0, charged_ = 0, limit_ = ~std::uint64_t{0};
};

}  // namespace interlock::auditing::emulation
