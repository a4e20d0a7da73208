// guest_region.hpp: memory of this process that serves as memory of a guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <interlock/result.hpp>

#include "base/hex.hpp"

namespace interlock::auditing::emulation {

/// Anonymous memory of this process that serves as memory of the guest.
class Region {
public:
    Region(std::uint64_t address, std::uint64_t size);
    ~Region();
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    bool contains(std::uint64_t address, std::uint64_t size) const noexcept {
        return address >= address_ && address - address_ <= size_ && size <= size_ - (address - address_);
    }
    /// Through here goes each access to the memory: what a file makes of an address never leads out of it.
    std::uint8_t* at(std::uint64_t address, std::uint64_t size) const {
        if (!contains(address, size))
            throw Failure({Errc::internal, "the emulator uses " + base::hex(address) + ", where it has no memory"});
        return bytes_ + (address - address_);
    }
    std::uint64_t address() const noexcept { return address_; }
    std::uint64_t size() const noexcept { return size_; }
    /// Zeros again; gives the memory back.
    void clear() noexcept;
    /// Only so much of it can be used; the rest is not there for the guest.
    void limit(std::uint64_t size) noexcept { size_ = std::min(size, room_); }
    bool has_cut_off(std::uint64_t address) const noexcept {
        return address >= address_ + size_ && address < address_ + room_;
    }

private:
    std::uint64_t address_, size_, room_;
    std::uint8_t* bytes_;
};

/// A part of an image, or of a mapping, that is in use.
struct FreeChunk {
    void operator()(std::uint8_t* chunk) const noexcept { std::free(chunk); }
};
using Chunk = std::unique_ptr<std::uint8_t, FreeChunk>;

}  // namespace interlock::auditing::emulation
