// elf_view.hpp: checked access to an ELF shared library of either class and byte order: its header, its segments, its
// notes. Everything that is read comes with bounds and budgets; nothing needs section headers. Throws Failure.
// Layout: System V ABI, chapters 4 and 5.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "abi/byte_source.hpp"

namespace interlock {

/// Numbers out of bytes, in the byte order and word size of a file.
class Decoder {
public:
    Decoder(bool wide, bool little) : wide_(wide), little_(little) {}
    bool wide() const noexcept { return wide_; }
    bool little() const noexcept { return little_; }
    /// Bytes of an address, offset or size.
    unsigned word_size() const noexcept { return wide_ ? 8 : 4; }

    std::uint16_t u16(ByteSource::Bytes bytes, std::size_t at) const {
        return static_cast<std::uint16_t>(number(bytes, at, 2));
    }
    std::uint32_t u32(ByteSource::Bytes bytes, std::size_t at) const {
        return static_cast<std::uint32_t>(number(bytes, at, 4));
    }
    std::uint64_t u64(ByteSource::Bytes bytes, std::size_t at) const { return number(bytes, at, 8); }
    std::uint64_t word(ByteSource::Bytes bytes, std::size_t at) const { return number(bytes, at, word_size()); }

private:
    std::uint64_t number(ByteSource::Bytes bytes, std::size_t at, unsigned size) const;

    bool wide_, little_;
};

/// A program header.
struct Segment {
    std::uint32_t type = 0, flags = 0;
    std::uint64_t offset = 0, address = 0, file_size = 0, alignment = 0;
};

/// One note. `owner` and `description` point into the bytes that notes() was given.
struct Note {
    std::uint64_t offset = 0;  ///< of its header in the file
    std::uint32_t type = 0;
    std::string_view owner;  ///< as stored, terminating zero included
    std::string_view description;
    /// False when the description runs out of the segment: the description is empty then, and no note follows.
    bool complete = true;
};

class ElfView {
public:
    /// Checks the header and the segments. `source` outlives the view.
    explicit ElfView(const ByteSource& source);

    const ByteSource& source() const noexcept { return source_; }
    const Decoder& decoder() const noexcept { return decoder_; }
    unsigned machine() const noexcept { return machine_; }
    /// Are class, byte order and machine those of this process?
    bool native() const noexcept;
    /// Those of type PT_LOAD, PT_DYNAMIC and PT_NOTE that have bytes in the file.
    std::span<const Segment> segments() const noexcept { return segments_; }

    /// The bytes of one PT_NOTE segment, and the notes in them.
    ByteSource::Bytes note_bytes(const Segment& segment, ByteSource::Buffer& buffer) const;
    std::vector<Note> notes(const Segment& segment, ByteSource::Bytes bytes) const;

    /// Where an address of the loaded image lies in the file, and how many bytes the file has from there on.
    struct Place {
        std::uint64_t offset = 0, available = 0;
    };
    Place place(std::uint64_t address, const char* what) const;
    /// Whether an address of the loaded image lies in a segment whose bytes can be executed.
    bool executable(std::uint64_t address) const noexcept;

private:
    static Decoder identify(const ByteSource& source);
    void read_segments(ByteSource::Bytes header);

    const ByteSource& source_;
    Decoder decoder_;
    unsigned machine_ = 0;
    std::vector<Segment> segments_;
};

}  // namespace interlock
