// elf_view.hpp: checked access to an ELF shared library of either class and byte order: its header, its segments, its
// notes. Everything that is read comes with bounds and budgets; nothing needs section headers. Throws Failure.
// Layout: System V ABI, chapters 4 and 5.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
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

    std::uint16_t u16(ByteSource::Bytes bytes, std::size_t at) const { return number<std::uint16_t>(bytes, at); }
    std::uint32_t u32(ByteSource::Bytes bytes, std::size_t at) const { return number<std::uint32_t>(bytes, at); }
    std::uint64_t u64(ByteSource::Bytes bytes, std::size_t at) const { return number<std::uint64_t>(bytes, at); }
    std::uint64_t word(ByteSource::Bytes bytes, std::size_t at) const {
        return wide_ ? u64(bytes, at) : u32(bytes, at);
    }

private:
    // Callers ask for fields of a structure whose size they have read, so this does not happen; if it did, reading on
    // would be worse than stopping.
    [[noreturn]] static void beyond_the_end();

    template <typename Number>
    Number number(ByteSource::Bytes bytes, std::size_t at) const {
        Number value;
        if (at > bytes.size() || sizeof value > bytes.size() - at) beyond_the_end();
        std::memcpy(&value, bytes.data() + at, sizeof value);
        return little_ == (std::endian::native == std::endian::little) ? value : std::byteswap(value);
    }

    bool wide_, little_;
};

/// A program header.
struct ElfSegment {
    std::uint64_t at = 0;  ///< its own offset in the file, for messages
    std::uint32_t type = 0, flags = 0;
    std::uint64_t offset = 0, address = 0, file_size = 0, size = 0, alignment = 0;
};

/// Where an address of the loaded image lies in the file, and how many bytes the file has from there on.
struct ElfPlace {
    std::uint64_t offset = 0, available = 0;
};

class AddressMap {
public:
    /// Throws malformed_file where the file has nothing. `what` is for the message.
    virtual ElfPlace place(std::uint64_t address, const char* what) const = 0;

protected:
    ~AddressMap() = default;
};

/// One note. `owner` and `description` point into the bytes that notes() was given.
struct Note {
    std::uint64_t offset = 0;  ///< of its header in the file
    std::uint32_t type = 0;
    std::string_view owner;  ///< as stored, terminating zero included
    std::string_view description;
    /// False when the description runs out of the segment: the description is empty then, and no note follows.
    bool complete = true;

    /// In hexadecimal digits, when the note is one with a build id; else empty.
    std::string build_id() const;
};

/// The beginning of the ELF header.
struct ElfKind {
    explicit ElfKind(const ByteSource& source);

    Decoder decoder;
    unsigned type = 0, machine = 0;
};

class ElfView final : public AddressMap {
public:
    /// Checks the header and the segments. `source` outlives the view.
    explicit ElfView(const ByteSource& source);

    const ByteSource& source() const noexcept { return source_; }
    const Decoder& decoder() const noexcept { return kind_.decoder; }
    unsigned machine() const noexcept { return kind_.machine; }
    /// Are class, byte order and machine those of this process?
    bool native() const noexcept;
    /// Those that have bytes in the file; others that take room in memory, unless of type PT_DYNAMIC or PT_NOTE. What
    /// these two and PT_LOAD have in the file is within it.
    std::span<const ElfSegment> segments() const noexcept { return segments_; }

    /// The bytes of one PT_NOTE segment, and the notes in them.
    ByteSource::Bytes note_bytes(const ElfSegment& segment, ByteSource::Buffer& buffer) const;
    std::vector<Note> notes(const ElfSegment& segment, ByteSource::Bytes bytes) const;

    /// As the program headers say. (Memory is mapped in pages, so that a little more may be there.)
    ElfPlace place(std::uint64_t address, const char* what) const override;
    /// Whether an address of the loaded image lies in a segment whose bytes can be executed.
    bool executable(std::uint64_t address) const noexcept;

private:
    void read_segments();

    const ByteSource& source_;
    ElfKind kind_;
    std::vector<ElfSegment> segments_;
};

}  // namespace interlock
