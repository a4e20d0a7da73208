// elf_view.cpp: the header and the segments are checked field by field, in the order in which each depends on those
// before, and each error has the offset of what is wrong.
//
// SPDX-License-Identifier: MIT
#include "abi/elf_view.hpp"

#include <elf.h>
#include <link.h>
#include <cstddef>
#include <string>

#include "abi/elf_limits.hpp"

// The ELF header of the program or library that holds this code; every linker defines it.
extern "C" __attribute__((visibility("hidden"))) const ElfW(Ehdr) __ehdr_start;

namespace interlock {
namespace {

constexpr std::uint64_t note_header_size = 12;
constexpr std::string_view gnu_owner{"GNU", 4};

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

Decoder identify(const ByteSource& source) {
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

ByteSource::Bytes elf_header(const ByteSource& source, const Decoder& decoder, ByteSource::Buffer& buffer) {
    return source.read(0, decoder.wide() ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), "the ELF header", buffer);
}

}  // namespace

std::string Note::build_id() const {
    if (type != NT_GNU_BUILD_ID || owner != gnu_owner || description.size() > elf_limits::build_id) return {};
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(description.size() * 2);
    for (const char c : description) {
        const auto byte = static_cast<std::uint8_t>(c);
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

void Decoder::beyond_the_end() {
    throw Failure({Errc::internal, "interlock read a field of an ELF structure beyond its end"});
}

ElfKind::ElfKind(const ByteSource& source) : decoder(identify(source)) {
    ByteSource::Buffer buffer;
    const auto header = elf_header(source, decoder, buffer);
    type = decoder.u16(header, offsetof(Elf64_Ehdr, e_type));
    machine = decoder.u16(header, offsetof(Elf64_Ehdr, e_machine));
}

ElfView::ElfView(const ByteSource& source) : source_(source), kind_(source) {
    if (kind_.type != ET_DYN) {
        source_.malformed(offsetof(Elf64_Ehdr, e_type), "the ELF type is " + std::to_string(kind_.type) + ", not " +
                                                            std::to_string(ET_DYN) + " (shared library)");
    }
    read_segments();
}

void ElfView::read_segments() {
    const Decoder& decoder = kind_.decoder;
    const bool wide = decoder.wide();
    ByteSource::Buffer buffer;
    const auto header = elf_header(source_, decoder, buffer);
    const auto table = decoder.word(header, wide ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff));
    const std::size_t entry_size_at = wide ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize);
    const std::uint64_t entry_size = decoder.u16(header, entry_size_at);
    const std::uint64_t count =
        decoder.u16(header, wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum));
    const std::uint64_t right_size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (count == 0) source_.malformed(0, "it has no program headers, so nothing of it can be loaded");
    if (entry_size != right_size) {
        source_.malformed(entry_size_at, "the size of a program header is " + std::to_string(entry_size) + ", not " +
                                             std::to_string(right_size));
    }
    if (count > elf_limits::program_headers) {
        source_.too_large(entry_size_at, std::to_string(count) + " program headers; interlock reads at most " +
                                             std::to_string(elf_limits::program_headers));
    }
    const auto entries = source_.read(table, count * entry_size, "the program header table", buffer);
    segments_.reserve(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = entries.subspan(i * right_size, right_size);
        const auto word = [&](std::size_t in_wide, std::size_t in_narrow) {
            return decoder.word(entry, wide ? in_wide : in_narrow);
        };
        const ElfSegment segment{
            .at = table + i * right_size,
            .type = decoder.u32(entry, 0),
            .flags = decoder.u32(entry, wide ? offsetof(Elf64_Phdr, p_flags) : offsetof(Elf32_Phdr, p_flags)),
            .offset = word(offsetof(Elf64_Phdr, p_offset), offsetof(Elf32_Phdr, p_offset)),
            .address = word(offsetof(Elf64_Phdr, p_vaddr), offsetof(Elf32_Phdr, p_vaddr)),
            .file_size = word(offsetof(Elf64_Phdr, p_filesz), offsetof(Elf32_Phdr, p_filesz)),
            .size = word(offsetof(Elf64_Phdr, p_memsz), offsetof(Elf32_Phdr, p_memsz)),
            .alignment = word(offsetof(Elf64_Phdr, p_align), offsetof(Elf32_Phdr, p_align))};
        const bool read = segment.type == PT_DYNAMIC || segment.type == PT_NOTE;
        if (segment.file_size == 0 && (segment.size == 0 || read)) continue;
        // A loaded segment beyond the end of the file would be a SIGBUS in the middle of an import.
        if ((segment.type == PT_LOAD || read) && !source_.contains(segment.offset, segment.file_size)) {
            source_.malformed(segment.at, "segment " + std::to_string(i) + " (" + std::to_string(segment.file_size) +
                                              " bytes at " + hex(segment.offset) +
                                              ") reaches beyond the end of the file, which " + "is at " +
                                              hex(source_.size()) + "; the file may be truncated");
        }
        segments_.push_back(segment);
    }
}

bool ElfView::native() const noexcept {
    const bool wide = __ehdr_start.e_ident[EI_CLASS] == ELFCLASS64;
    const bool little = std::endian::native == std::endian::little;
    return decoder().wide() == wide && decoder().little() == little && machine() == __ehdr_start.e_machine;
}

ByteSource::Bytes ElfView::note_bytes(const ElfSegment& segment, ByteSource::Buffer& buffer) const {
    if (segment.file_size > elf_limits::note_segment) {
        source_.too_large(segment.offset, "a note segment of " + std::to_string(segment.file_size) +
                                              " bytes; interlock reads at most " +
                                              std::to_string(elf_limits::note_segment));
    }
    return source_.read(segment.offset, segment.file_size, "a note segment", buffer);
}

std::vector<Note> ElfView::notes(const ElfSegment& segment, ByteSource::Bytes bytes) const {
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
        if (notes.size() == elf_limits::notes) {
            source_.too_large(offset, "more than " + std::to_string(elf_limits::notes) + " notes in one segment");
        }
        const std::uint64_t owner_size = kind_.decoder.u32(from_here, 0);
        const std::uint64_t description_size = kind_.decoder.u32(from_here, 4);
        if (owner_size > rest - note_header_size) {
            source_.malformed(offset,
                              "the owner of a note (" + std::to_string(owner_size) + " bytes) runs out of its segment");
        }
        // 32-bit numbers in 64-bit arithmetic: no sum here can overflow.
        const std::uint64_t description_at = round_up(note_header_size + owner_size, alignment);
        Note note;
        note.offset = offset;
        note.type = kind_.decoder.u32(from_here, 8);
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

ElfPlace ElfView::place(std::uint64_t address, const char* what) const {
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
