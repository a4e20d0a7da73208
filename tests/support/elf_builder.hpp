// elf_builder.hpp: makes small ELF shared libraries in memory, of either class and byte order, for the tests of the
// marker reader. It writes what it is told, right or wrong: a test takes a right image and breaks one thing in it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <elf.h>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/module.h>

namespace interlock::test {

using Image = std::vector<std::uint8_t>;

/// One entry of a note segment, as it is to be stored.
struct NoteSpec {
    std::string owner{IL_NOTE_OWNER, sizeof(IL_NOTE_OWNER)};
    std::uint32_t type = IL_NOTE_TYPE;
    std::string description;
    std::optional<std::uint32_t> claimed_owner_size = std::nullopt, claimed_description_size = std::nullopt;
};

/// A marker note with this JSON, filled up with zeros as IL_MODULE does.
inline NoteSpec marker_note(std::string_view json) {
    NoteSpec note;
    note.description = json;
    note.description.resize((json.size() + 1 + 3) / 4 * 4, '\0');
    return note;
}

inline NoteSpec build_id_note(std::string_view bytes) {
    NoteSpec note;
    note.owner.assign("GNU", 4);
    note.type = NT_GNU_BUILD_ID;
    note.description = bytes;
    return note;
}

struct SymbolSpec {
    std::string name;
    std::uint8_t info = STB_GLOBAL << 4 | STT_FUNC;
    std::uint8_t other = STV_DEFAULT;
    std::uint16_t section = 1;
    std::uint64_t offset = 0x40;  ///< of its value in the loaded segment, which can be executed
};

enum class HashTable : std::uint8_t { none, sysv, gnu, both };

/// A shared library: header, program headers, one loaded segment that holds all that follows: notes, dynamic section,
/// symbols. Numbers that a test wants to falsify are found through the offsets that build() leaves behind.
struct ElfBuilder {
    bool wide = true;
    bool little = true;
    std::uint16_t type = ET_DYN;
    std::uint16_t machine = EM_X86_64;
    std::uint64_t load_address = 0x10000;  ///< differs from the offset, so that mixing the two up shows
    std::vector<std::vector<NoteSpec>> note_segments;
    std::vector<std::uint64_t> note_alignments;  ///< by segment; 4 where missing
    std::vector<SymbolSpec> symbols;
    HashTable hash = HashTable::gnu;
    struct DynamicText {
        std::uint64_t tag;
        std::string text;
    };
    std::vector<DynamicText> dynamic_texts;  ///< DT_NEEDED and the like, behind the other dynamic entries
    std::size_t texts_at = 0;                ///< after build(): where the first of these entries is

    // Where things are, after build().
    std::size_t segments_at = 0, segment_size = 0, dynamic_at = 0, strings_at = 0, symbols_at = 0;
    std::size_t sysv_hash_at = 0, gnu_hash_at = 0;
    std::vector<std::size_t> notes_at, note_segment_sizes;

    Image build();
    /// Puts a number over what is at `at`.
    void patch(Image& image, std::size_t at, std::uint64_t value, unsigned size) const {
        for (unsigned i = 0; i < size; ++i) {
            image.at(at + (little ? i : size - 1 - i)) = static_cast<std::uint8_t>(value >> (8 * i));
        }
    }

    unsigned word_size() const { return wide ? 8 : 4; }
    std::size_t header_size() const { return wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr); }
    std::size_t phentsize() const { return wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr); }
    std::size_t symbol_size() const { return wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym); }
    // Offsets of fields in a program header.
    std::size_t p_offset() const { return wide ? offsetof(Elf64_Phdr, p_offset) : offsetof(Elf32_Phdr, p_offset); }
    std::size_t p_filesz() const { return wide ? offsetof(Elf64_Phdr, p_filesz) : offsetof(Elf32_Phdr, p_filesz); }
    std::size_t p_align() const { return wide ? offsetof(Elf64_Phdr, p_align) : offsetof(Elf32_Phdr, p_align); }
    /// Index of the n-th note segment among the program headers: behind PT_LOAD and PT_DYNAMIC.
    std::size_t note_header_at(std::size_t n) const { return segments_at + (2 + n) * segment_size; }
    /// Where the value of a dynamic entry is, by its place in the order of write_dynamic().
    std::size_t dynamic_value_at(std::size_t n) const { return dynamic_at + (2 * n + 1) * word_size(); }

private:
    Image out_;
    std::size_t texts_in_strings_ = 0;

    void put(std::uint64_t value, unsigned size) {
        const auto at = out_.size();
        out_.resize(at + size);
        patch(out_, at, value, size);
    }
    void half(std::uint64_t value) { put(value, 2); }
    void u32(std::uint64_t value) { put(value, 4); }
    void word(std::uint64_t value) { put(value, word_size()); }
    void text(std::string_view bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void align(std::size_t to) { out_.resize((out_.size() + to - 1) / to * to); }

    void write_header(std::size_t segments);
    void write_notes();
    void write_symbols();
    void write_dynamic();
    void write_segments();
    static std::uint32_t gnu_hash(std::string_view name) {
        std::uint32_t h = 5381;
        for (const char c : name) h = h * 33 + static_cast<std::uint8_t>(c);
        return h;
    }
};

inline Image ElfBuilder::build() {
    out_.clear();
    const std::size_t segments = 2 + note_segments.size();
    write_header(segments);
    segments_at = header_size();
    segment_size = phentsize();
    out_.resize(header_size() + segments * phentsize());
    write_notes();
    write_symbols();
    write_dynamic();
    write_segments();
    return out_;
}

inline void ElfBuilder::write_header(std::size_t segments) {
    text({ELFMAG, SELFMAG});
    put(wide ? ELFCLASS64 : ELFCLASS32, 1);
    put(little ? ELFDATA2LSB : ELFDATA2MSB, 1);
    put(EV_CURRENT, 1);
    out_.resize(EI_NIDENT);
    half(type);
    half(machine);
    u32(EV_CURRENT);
    word(0);              // entry
    word(header_size());  // program headers follow
    word(0);              // no section headers
    u32(0);               // flags
    half(header_size());
    half(phentsize());
    half(segments);
    half(0);
    half(0);
    half(0);
}

inline void ElfBuilder::write_notes() {
    notes_at.clear();
    note_segment_sizes.clear();
    for (std::size_t i = 0; i < note_segments.size(); ++i) {
        const std::size_t alignment = i < note_alignments.size() && note_alignments[i] == 8 ? 8 : 4;
        align(8);
        notes_at.push_back(out_.size());
        for (const auto& note : note_segments[i]) {
            u32(note.claimed_owner_size.value_or(static_cast<std::uint32_t>(note.owner.size())));
            u32(note.claimed_description_size.value_or(static_cast<std::uint32_t>(note.description.size())));
            u32(note.type);
            text(note.owner);
            align(alignment);
            text(note.description);
            align(alignment);
        }
        note_segment_sizes.push_back(out_.size() - notes_at.back());
    }
}

inline void ElfBuilder::write_symbols() {
    std::string strings(1, '\0');
    align(8);
    symbols_at = out_.size();
    out_.resize(out_.size() + symbol_size());  // symbol 0 is none
    for (const auto& symbol : symbols) {
        const auto name = strings.size();
        strings += symbol.name;
        strings += '\0';
        u32(name);
        if (wide) {
            put(symbol.info, 1);
            put(symbol.other, 1);
            half(symbol.section);
            word(load_address + symbol.offset);
            word(16);
        } else {
            word(load_address + symbol.offset);
            word(16);
            put(symbol.info, 1);
            put(symbol.other, 1);
            half(symbol.section);
        }
    }
    align(4);
    sysv_hash_at = out_.size();
    if (hash == HashTable::sysv || hash == HashTable::both) {
        const bool wide_entries = wide && machine == EM_S390;
        auto entry = [&](std::uint64_t value) { put(value, wide_entries ? 8 : 4); };
        // One bucket whose chain runs through all symbols.
        entry(1);
        entry(symbols.size() + 1);
        entry(symbols.size());
        for (std::size_t i = 0; i <= symbols.size(); ++i) entry(i == 0 ? 0 : i - 1);
    }
    align(8);
    gnu_hash_at = out_.size();
    if (hash == HashTable::gnu || hash == HashTable::both) {
        u32(1);                          // buckets
        u32(1);                          // first symbol in the table
        u32(1);                          // words of the Bloom filter
        u32(6);                          // its shift
        word(~std::uint64_t{0});         // lets everything through
        u32(symbols.empty() ? 0U : 1U);  // the bucket
        for (std::size_t i = 0; i < symbols.size(); ++i) {
            const std::uint32_t value = gnu_hash(symbols[i].name) & ~1U;
            u32(value | (i + 1 == symbols.size() ? 1U : 0U));
        }
    }
    texts_in_strings_ = strings.size();
    for (const DynamicText& one : dynamic_texts) strings += one.text + '\0';
    strings_at = out_.size();
    text(strings);
}

inline void ElfBuilder::write_dynamic() {
    align(8);
    const std::size_t string_size = out_.size() - strings_at;
    dynamic_at = out_.size();
    auto entry = [&](std::uint64_t tag, std::uint64_t value) {
        word(tag);
        word(value);
    };
    entry(DT_SYMTAB, load_address + symbols_at);
    entry(DT_STRTAB, load_address + strings_at);
    entry(DT_STRSZ, string_size);
    entry(DT_SYMENT, symbol_size());
    if (hash == HashTable::gnu || hash == HashTable::both) entry(DT_GNU_HASH, load_address + gnu_hash_at);
    if (hash == HashTable::sysv || hash == HashTable::both) entry(DT_HASH, load_address + sysv_hash_at);
    texts_at = out_.size();
    std::size_t offset = texts_in_strings_;
    for (const DynamicText& one : dynamic_texts) {
        entry(one.tag, offset);
        offset += one.text.size() + 1;
    }
    entry(DT_NULL, 0);
}

inline void ElfBuilder::write_segments() {
    Image body = std::move(out_);
    out_ = {};
    auto segment = [&](std::uint32_t kind, std::uint64_t offset, std::uint64_t size, std::uint64_t alignment) {
        const std::uint32_t flags = kind == PT_LOAD ? PF_R | PF_X : PF_R;
        u32(kind);
        if (wide) u32(flags);
        word(offset);
        word(load_address + offset);
        word(load_address + offset);
        word(size);
        word(size);
        if (!wide) u32(flags);
        word(alignment);
    };
    segment(PT_LOAD, 0, body.size(), 0x1000);
    segment(PT_DYNAMIC, dynamic_at, body.size() - dynamic_at, 8);
    for (std::size_t i = 0; i < notes_at.size(); ++i) {
        segment(PT_NOTE, notes_at[i], note_segment_sizes[i], i < note_alignments.size() ? note_alignments[i] : 4);
    }
    std::copy(out_.begin(), out_.end(), body.begin() + static_cast<std::ptrdiff_t>(segments_at));
    out_ = std::move(body);
}

}  // namespace interlock::test
