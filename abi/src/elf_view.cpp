// elf_view.cpp: the header and the segments are checked field by field, in the order in which each depends on those
// before, and each error has the offset of what is wrong.
//
// SPDX-License-Identifier: MIT
#include "abi/elf_view.hpp"

#include <elf.h>
#include <link.h>
#include <bit>
#include <cstring>
#include <string>

// The ELF header of the program or library that holds this code; every linker defines it.
extern "C" __attribute__((visibility("hidden"))) const ElfW(Ehdr) __ehdr_start;

namespace interlock {
namespace {

// A shared library has about ten program headers and a handful of notes; these leave a wide margin and keep the cost
// of a hostile file small.
constexpr std::uint64_t max_program_headers = 1024;
constexpr std::uint64_t max_note_segment = 1U << 20;
constexpr std::size_t max_notes = 4096;

constexpr std::uint64_t note_header_size = 12;

std::uint64_t round_up(std::uint64_t number, std::uint64_t alignment) {
    return (number + alignment - 1) & ~(alignment - 1);
}

std::string_view text(ByteSource::Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool all_zero(ByteSource::Bytes bytes) {
    for (const auto byte : bytes) {
        if (byte != 0) return false;
    }
    return true;
}

}  // namespace

std::uint64_t Decoder::number(ByteSource::Bytes bytes, std::size_t at, unsigned size) const {
    // Callers ask for fields of a structure whose size they have read, so this does not happen; if it did, reading on
    // would be worse than stopping.
    if (at > bytes.size() || size > bytes.size() - at) {
        throw Failure({Errc::internal, "interlock read a field of an ELF structure beyond its end"});
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value = value << 8 | bytes[at + (little_ ? size - 1 - i : i)];
    return value;
}

Decoder ElfView::identify(const ByteSource& source) {
    if (source.size() < EI_NIDENT) source.malformed(0, "it is too short to be an ELF file");
    ByteSource::Buffer buffer;
    const auto ident = source.read(0, EI_NIDENT, "the ELF identification", buffer);
    if (text(ident.first(SELFMAG)) != ELFMAG) source.malformed(0, "it is not an ELF file (wrong magic number)");
    const auto elf_class = ident[EI_CLASS];
    if (elf_class != ELFCLASS32 && elf_class != ELFCLASS64) {
        source.malformed(EI_CLASS, "unknown ELF class " + std::to_string(elf_class));
    }
    const auto order = ident[EI_DATA];
    if (order != ELFDATA2LSB && order != ELFDATA2MSB) {
        source.malformed(EI_DATA, "unknown ELF byte order " + std::to_string(order));
    }
    if (ident[EI_VERSION] != EV_CURRENT) {
        source.malformed(EI_VERSION, "unknown ELF version " + std::to_string(ident[EI_VERSION]));
    }
    return {elf_class == ELFCLASS64, order == ELFDATA2LSB};
}

ElfView::ElfView(const ByteSource& source) : source_(source), decoder_(identify(source)) {
    ByteSource::Buffer buffer;
    const std::size_t header_size = decoder_.wide() ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    const auto header = source_.read(0, header_size, "the ELF header", buffer);
    const auto type = decoder_.u16(header, offsetof(Elf64_Ehdr, e_type));
    machine_ = decoder_.u16(header, offsetof(Elf64_Ehdr, e_machine));
    if (type != ET_DYN) {
        source_.malformed(offsetof(Elf64_Ehdr, e_type), "the ELF type is " + std::to_string(type) + ", not " +
                                                            std::to_string(ET_DYN) + " (shared library)");
    }
    read_segments(header);
}

void ElfView::read_segments(ByteSource::Bytes header) {
    const bool wide = decoder_.wide();
    const auto table = decoder_.word(header, wide ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff));
    const std::size_t entry_size_at = wide ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize);
    const std::uint64_t entry_size = decoder_.u16(header, entry_size_at);
    const std::uint64_t count =
        decoder_.u16(header, wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum));
    const std::uint64_t right_size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (count == 0) source_.malformed(0, "it has no program headers, so nothing of it can be loaded");
    if (entry_size != right_size) {
        source_.malformed(entry_size_at, "the size of a program header is " + std::to_string(entry_size) + ", not " +
                                             std::to_string(right_size));
    }
    if (count > max_program_headers) {
        source_.too_large(entry_size_at, std::to_string(count) + " program headers; interlock reads at most " +
                                             std::to_string(max_program_headers));
    }
    ByteSource::Buffer buffer;
    const auto entries = source_.read(table, count * entry_size, "the program header table", buffer);
    segments_.reserve(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = entries.subspan(i * right_size, right_size);
        Segment segment{
            .type = decoder_.u32(entry, 0),
            .flags = decoder_.u32(entry, wide ? offsetof(Elf64_Phdr, p_flags) : offsetof(Elf32_Phdr, p_flags)),
            .offset = decoder_.word(entry, wide ? offsetof(Elf64_Phdr, p_offset) : offsetof(Elf32_Phdr, p_offset)),
            .address = decoder_.word(entry, wide ? offsetof(Elf64_Phdr, p_vaddr) : offsetof(Elf32_Phdr, p_vaddr)),
            .file_size = decoder_.word(entry, wide ? offsetof(Elf64_Phdr, p_filesz) : offsetof(Elf32_Phdr, p_filesz)),
            .alignment = decoder_.word(entry, wide ? offsetof(Elf64_Phdr, p_align) : offsetof(Elf32_Phdr, p_align))};
        if (segment.type != PT_LOAD && segment.type != PT_DYNAMIC && segment.type != PT_NOTE) continue;
        if (segment.file_size == 0) continue;
        // A loaded segment beyond the end of the file would be a SIGBUS in the middle of an import.
        if (!source_.contains(segment.offset, segment.file_size)) {
            source_.malformed(table + i * right_size,
                              "segment " + std::to_string(i) + " (" + std::to_string(segment.file_size) + " bytes at " +
                                  hex(segment.offset) + ") reaches beyond the end of the file, which " + "is at " +
                                  hex(source_.size()) + "; the file may be truncated");
        }
        segments_.push_back(segment);
    }
}

bool ElfView::native() const noexcept {
    const bool wide = __ehdr_start.e_ident[EI_CLASS] == ELFCLASS64;
    const bool little = std::endian::native == std::endian::little;
    return decoder_.wide() == wide && decoder_.little() == little && machine_ == __ehdr_start.e_machine;
}

ByteSource::Bytes ElfView::note_bytes(const Segment& segment, ByteSource::Buffer& buffer) const {
    if (segment.file_size > max_note_segment) {
        source_.too_large(segment.offset, "a note segment of " + std::to_string(segment.file_size) +
                                              " bytes; interlock reads at most " + std::to_string(max_note_segment));
    }
    return source_.read(segment.offset, segment.file_size, "a note segment", buffer);
}

std::vector<Note> ElfView::notes(const Segment& segment, ByteSource::Bytes bytes) const {
    // All notes are padded to 4 bytes, in either class, but for those in segments that ask for 8 (GNU properties).
    const std::uint64_t alignment = segment.alignment == 8 ? 8 : 4;
    std::vector<Note> notes;
    std::uint64_t at = 0;
    while (at < bytes.size()) {
        const std::uint64_t rest = bytes.size() - at;
        const std::uint64_t offset = segment.offset + at;
        const auto from_here = bytes.subspan(static_cast<std::size_t>(at));
        if (rest < note_header_size) {
            if (all_zero(from_here)) break;  // padding behind the last note
            source_.malformed(offset, "a note header runs out of its segment");
        }
        if (notes.size() == max_notes) {
            source_.too_large(offset, "more than " + std::to_string(max_notes) + " notes in one segment");
        }
        const std::uint64_t owner_size = decoder_.u32(from_here, 0);
        const std::uint64_t description_size = decoder_.u32(from_here, 4);
        if (owner_size > rest - note_header_size) {
            source_.malformed(offset,
                              "the owner of a note (" + std::to_string(owner_size) + " bytes) runs out of its segment");
        }
        // 32-bit numbers in 64-bit arithmetic: no sum here can overflow.
        const std::uint64_t description_at = round_up(note_header_size + owner_size, alignment);
        Note note;
        note.offset = offset;
        note.type = decoder_.u32(from_here, 8);
        note.owner = text(from_here.subspan(note_header_size, static_cast<std::size_t>(owner_size)));
        note.complete = description_size == 0 || (description_at <= rest && description_size <= rest - description_at);
        if (note.complete && description_size != 0) {
            note.description = text(from_here.subspan(static_cast<std::size_t>(description_at),
                                                      static_cast<std::size_t>(description_size)));
        }
        notes.push_back(note);
        if (!note.complete) break;
        at += round_up(description_at + description_size, alignment);
    }
    return notes;
}

ElfView::Place ElfView::place(std::uint64_t address, const char* what) const {
    for (const auto& segment : segments_) {
        if (segment.type != PT_LOAD || address < segment.address) continue;
        const auto distance = address - segment.address;
        if (distance < segment.file_size) return {segment.offset + distance, segment.file_size - distance};
    }
    source_.malformed(0, std::string(what) + " has the address " + hex(address) + ", which is in no loaded segment");
}

bool ElfView::executable(std::uint64_t address) const noexcept {
    for (const auto& segment : segments_) {
        if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0 || address < segment.address) continue;
        if (address - segment.address < segment.file_size) return true;
    }
    return false;
}

}  // namespace interlock
