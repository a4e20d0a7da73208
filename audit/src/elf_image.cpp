// elf_image.cpp: ELF shared libraries of both classes and byte orders, as the dynamic linker sees them: through the
// program headers and the dynamic section. Section headers are not needed. Layout: System V ABI, chapters 4 and 5, and
// the processor supplements for the relocations.
//
// SPDX-License-Identifier: MIT
#include <elf.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "bytes.hpp"
#include "image.hpp"
#include "relocation_types.hpp"

namespace interlock::auditing {

namespace {

// A RELR table can ask for 504 relocations with 8 bytes, so its size is no bound.
constexpr std::uint64_t max_segments = 256, max_memory = 4ull << 30, max_fixups = 4'000'000,
                        max_folders = 64;
constexpr std::uint32_t dt_relrsz = 35, dt_relr = 36;  // <elf.h> of older C libraries lacks them

struct Table {
    std::uint64_t address = 0, size = 0, entry_size = 0;
};

struct Dynamic {
    std::uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0, gnu_hash = 0;
    Table rela, rel, relr, plt;
    bool plt_is_rela = false;
    std::vector<std::uint64_t> needed, folders;
};

struct Symbol {
    std::uint64_t value = 0;
    std::uint32_t name = 0;
    std::uint16_t section = 0;
    std::uint8_t info = 0;
    bool defined() const noexcept { return section != SHN_UNDEF; }
    unsigned type() const noexcept { return info & 15u; }
    unsigned binding() const noexcept { return info >> 4u; }
};

class ElfReader {
public:
    ElfReader(Bytes file, const std::string& name, const Names* also)
        : view_(layout(ByteView(file, name))), also_(also) {}

    Image read() {
        read_header();
        read_segments();
        read_dynamic();
        read_libraries();
        read_symbols();
        if (!image_.exports.empty() || also_ != nullptr) {  // else it is no module, and nothing will be run
            read_relocations();
            std::stable_sort(image_.fixups.begin(), image_.fixups.end(),
                             [](const Fixup& a, const Fixup& b) { return a.address < b.address; });
        }
        return std::move(image_);
    }

private:
    static ByteView layout(ByteView view) {
        const Bytes ident = view.part(0, EI_NIDENT, "the ELF identification");
        if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
            view.malformed(EI_CLASS, "unknown ELF class");
        if (ident[EI_DATA] != ELFDATA2LSB && ident[EI_DATA] != ELFDATA2MSB)
            view.malformed(EI_DATA, "unknown byte order");
        return view.with_layout(ident[EI_CLASS] == ELFCLASS64, ident[EI_DATA] == ELFDATA2LSB);
    }

    void read_header() {
        image_.format = Format::elf;
        image_.wide = view_.wide();
        image_.little = view_.little();
        image_.platform = "linux";
        image_.description =
            std::string(view_.wide() ? "ELF64" : "ELF32") + (view_.little() ? " little-endian" : " big-endian");
        switch (view_.u16(16, "the file type")) {
            case ET_DYN:
                break;
            case ET_REL:
                view_.unsupported("it is an object file, which has to be linked first");
            case ET_EXEC:
                view_.unsupported("it is a program, not a shared library");
            case ET_CORE:
                view_.unsupported("it is a memory dump");
            default:
                view_.malformed(16, "unknown ELF file type");
        }
        machine_ = view_.u16(18, "the machine");
        image_.architecture = architecture();
    }

    Architecture architecture() const {
        switch (machine_) {
            case EM_X86_64:
                return view_.wide() ? Architecture::x86_64 : Architecture::other;  // x32
            case EM_386:
                return Architecture::i386;
            case EM_AARCH64:
                return view_.wide() && view_.little() ? Architecture::aarch64 : Architecture::other;
            case EM_ARM:
                return view_.little() ? Architecture::arm : Architecture::other;
            case EM_PPC64:
                return view_.little() ? Architecture::ppc64le : Architecture::ppc64;
            case EM_S390:
                return view_.wide() ? Architecture::s390x : Architecture::other;
            case EM_RISCV:
                return view_.wide() ? Architecture::riscv64 : Architecture::riscv32;
            case EM_MIPS:
                return Architecture::mips;
            case 258:  // EM_LOONGARCH
                return Architecture::loongarch64;
            default:
                return Architecture::other;
        }
    }

    void read_segments() {
        const bool wide = view_.wide();
        const std::uint64_t table = view_.word(wide ? 32 : 28, "the program header's offset");
        const std::uint64_t entry = view_.u16(wide ? 54 : 42, "the size of a program header");
        const std::uint64_t count = view_.u16(wide ? 56 : 44, "the number of program headers");
        if (count == 0) view_.malformed(wide ? 56 : 44, "it has no program headers");
        if (count > max_segments) view_.unsupported("it has more than 256 program headers");
        if (entry < (wide ? 56u : 32u)) view_.malformed(wide ? 54 : 42, "program headers are too small");
        for (std::uint64_t i = 0; i < count; ++i) read_segment(table + i * entry);
        if (image_.segments.empty()) view_.malformed(table, "no segment is to be loaded");
        if (!dynamic_) view_.malformed(table, "it has no dynamic section");
        const Segment &first = image_.segments.front(), &last = image_.segments.back();
        if (last.address + last.size - first.address > max_memory)
            view_.unsupported("it would take more than 4 GiB of memory");
        image_.writable_globals -= std::min(image_.writable_globals, relro_size_);
    }

    void read_segment(std::uint64_t at) {
        const bool wide = view_.wide();
        const std::uint32_t type = view_.u32(at, "a program header");
        const std::uint32_t flags = view_.u32(at + (wide ? 4 : 24), "a program header");
        const std::uint64_t offset = view_.word(at + (wide ? 8 : 4), "a program header");
        const std::uint64_t address = view_.word(at + (wide ? 16 : 8), "a program header");
        const std::uint64_t file_size = view_.word(at + (wide ? 32 : 16), "a program header");
        const std::uint64_t size = view_.word(at + (wide ? 40 : 20), "a program header");
        const std::uint64_t alignment = view_.word(at + (wide ? 48 : 28), "a program header");
        switch (type) {
            case PT_LOAD: {
                if (size == 0) return;
                if (file_size > size) view_.malformed(at, "a segment is larger in the file than in memory");
                if (address > std::numeric_limits<std::uint64_t>::max() - size)
                    view_.malformed(at, "a segment goes beyond the end of memory");
                Segment segment{address, size, view_.part(offset, file_size, "a segment"), (flags & PF_W) != 0,
                                (flags & PF_X) != 0};
                if (!image_.segments.empty() && address < image_.segments.back().address + image_.segments.back().size)
                    view_.malformed(at, "segments overlap, or are not in order");
                if (segment.writable) image_.writable_globals += size;
                image_.segments.push_back(segment);
                break;
            }
            case PT_DYNAMIC:
                dynamic_ = view_.part(offset, file_size, "the dynamic section").size() == 0
                               ? std::nullopt
                               : std::optional(Table{offset, file_size, 0});
                break;
            case PT_TLS:
                image_.tls_data = view_.part(offset, file_size, "the thread-local data");
                if (size < file_size || size > (64u << 20)) view_.malformed(at, "thread-local data has a wrong size");
                image_.tls_size = size;
                image_.tls_alignment = std::clamp<std::uint64_t>(alignment, 1, 4096);
                break;
            case PT_GNU_RELRO:
                relro_size_ = size;
                break;
            case PT_NOTE:
                read_build_id(offset, file_size);
                break;
            default:
                break;
        }
    }

    // A note that cannot be read is not worth failing for.
    void read_build_id(std::uint64_t offset, std::uint64_t size) {
        if (!view_.contains(offset, size)) return;
        for (const std::uint64_t end = offset + size; image_.build_id.empty() && end - offset >= 12;) {
            const std::uint64_t name = view_.u32(offset, "a note"), text = view_.u32(offset + 4, "a note");
            const std::uint32_t type = view_.u32(offset + 8, "a note");
            const std::uint64_t begin = offset + 12 + ((name + 3) & ~3ull), next = begin + ((text + 3) & ~3ull);
            if (begin + text > end || next < offset) return;
            if (type == NT_GNU_BUILD_ID && name == 4 && text <= 64 &&
                std::ranges::equal(view_.part(offset + 12, 4, "a note"), std::string_view("GNU\0", 4))) {
                static constexpr char digits[] = "0123456789abcdef";
                for (const std::uint8_t byte : view_.part(begin, text, "the build id")) {
                    image_.build_id += digits[byte >> 4];
                    image_.build_id += digits[byte & 15];
                }
            }
            if (next > end) return;
            offset = next;
        }
    }

    // Where an address of the image lies in the file; throws when it does not.
    std::uint64_t offset_of(std::uint64_t address, const char* what) const {
        for (const Segment& segment : image_.segments)
            if (address >= segment.address && address - segment.address < segment.data.size())
                return static_cast<std::uint64_t>(segment.data.data() - view_.bytes().data()) + address -
                       segment.address;
        view_.malformed(0, std::string(what) + " is not within the file (address " + std::to_string(address) + ")");
    }

    void read_dynamic() {
        const unsigned word = view_.word_size();
        for (std::uint64_t at = dynamic_->address, end = at + dynamic_->size; end - at >= 2 * word; at += 2 * word) {
            const std::uint64_t tag = view_.word(at, "the dynamic section");
            const std::uint64_t value = view_.word(at + word, "the dynamic section");
            switch (tag) {
                case DT_NULL:
                    return;
                case DT_NEEDED:
                    dyn_.needed.push_back(value);
                    break;
                case DT_RPATH:
                case DT_RUNPATH:
                    dyn_.folders.push_back(value);
                    break;
                case DT_SYMTAB:
                    dyn_.symbols = value;
                    break;
                case DT_STRTAB:
                    dyn_.strings = value;
                    break;
                case DT_STRSZ:
                    dyn_.strings_size = value;
                    break;
                case DT_HASH:
                    dyn_.hash = value;
                    break;
                case DT_GNU_HASH:
                    dyn_.gnu_hash = value;
                    break;
                case DT_RELA:
                    dyn_.rela.address = value;
                    break;
                case DT_RELASZ:
                    dyn_.rela.size = value;
                    break;
                case DT_REL:
                    dyn_.rel.address = value;
                    break;
                case DT_RELSZ:
                    dyn_.rel.size = value;
                    break;
                case dt_relr:
                    dyn_.relr.address = value;
                    break;
                case dt_relrsz:
                    dyn_.relr.size = value;
                    break;
                case DT_JMPREL:
                    dyn_.plt.address = value;
                    break;
                case DT_PLTRELSZ:
                    dyn_.plt.size = value;
                    break;
                case DT_PLTREL:
                    dyn_.plt_is_rela = value == DT_RELA;
                    break;
                case DT_INIT:
                    if (value != 0) image_.constructors = {value};
                    break;
                case DT_INIT_ARRAY:
                    image_.constructor_table = value;
                    break;
                case DT_INIT_ARRAYSZ:
                    image_.constructor_table_size = value;
                    break;
                default:
                    break;
            }
        }
    }

    std::string_view string_at(std::uint64_t offset) const {
        if (offset >= dyn_.strings_size) view_.malformed(strings_offset_, "a name lies outside of the string table");
        return view_.text(strings_offset_ + offset, "a name", strings_offset_ + dyn_.strings_size);
    }

    void read_libraries() {
        if (dyn_.strings == 0) return;
        strings_offset_ = offset_of(dyn_.strings, "the string table");
        if (!view_.contains(strings_offset_, dyn_.strings_size))
            view_.malformed(strings_offset_, "the string table is not within the file");
        for (const std::uint64_t name : dyn_.needed) image_.libraries.push_back(string_at(name));
        for (const std::uint64_t folders : dyn_.folders)
            for (std::string_view rest = string_at(folders); !rest.empty();) {
                const std::size_t colon = std::min(rest.find(':'), rest.size());
                if (colon > 0 && image_.library_folders.size() < max_folders)
                    image_.library_folders.push_back(rest.substr(0, colon));
                rest.remove_prefix(std::min(colon + 1, rest.size()));
            }
    }

    unsigned symbol_size() const { return view_.wide() ? 24 : 16; }

    Symbol symbol_at(std::uint64_t index) const {
        const std::uint64_t at = symbols_offset_ + index * symbol_size();
        Symbol symbol;
        symbol.name = view_.u32(at, "a symbol");
        if (view_.wide()) {
            symbol.info = view_.u8(at + 4, "a symbol");
            symbol.section = view_.u16(at + 6, "a symbol");
            symbol.value = view_.u64(at + 8, "a symbol");
        } else {
            symbol.value = view_.u32(at + 4, "a symbol");
            symbol.info = view_.u8(at + 12, "a symbol");
            symbol.section = view_.u16(at + 14, "a symbol");
        }
        return symbol;
    }

    // The number of symbols stands nowhere but in the hash tables.
    std::uint64_t symbol_count() const {
        std::uint64_t count = 0;
        if (dyn_.gnu_hash != 0) {
            const std::uint64_t at = offset_of(dyn_.gnu_hash, "the hash table");
            const std::uint64_t buckets = view_.u32(at, "the hash table"), first = view_.u32(at + 4, "the hash table");
            const std::uint64_t filters = view_.u32(at + 8, "the hash table");
            const std::uint64_t bucket_at = at + 16 + filters * view_.word_size(), chain_at = bucket_at + 4 * buckets;
            std::uint64_t last = 0;
            view_.part(bucket_at, 4 * buckets, "the hash table");
            for (std::uint64_t i = 0; i < buckets; ++i)
                last = std::max<std::uint64_t>(last, view_.u32(bucket_at + 4 * i, "the hash table"));
            count = first;
            if (last >= first && last != 0) {
                while ((view_.u32(chain_at + 4 * (last - first), "the hash table") & 1) == 0) ++last;
                count = last + 1;
            }
        } else if (dyn_.hash != 0) {
            const std::uint64_t at = offset_of(dyn_.hash, "the hash table");
            count = view_.u32(at + 4, "the hash table");
            // On 64-bit S/390 words of this table have 8 bytes, but not with every linker.
            if (machine_ == EM_S390 && view_.wide()) {
                const std::uint64_t wide_count = view_.u64(at + 8, "the hash table");
                if (count == 0 || (wide_count >> 32 == 0 && fits_in_symbols(wide_count))) count = wide_count;
            }
        }
        if (!fits_in_symbols(count)) view_.malformed(symbols_offset_, "the symbol table is not within the file");
        return count;
    }

    bool fits_in_symbols(std::uint64_t count) const {
        return view_.contains(symbols_offset_, 0) && count <= (view_.size() - symbols_offset_) / symbol_size();
    }

    void read_symbols() {
        if (dyn_.symbols == 0 || dyn_.strings == 0) return;
        symbols_offset_ = offset_of(dyn_.symbols, "the symbol table");
        const std::uint64_t count = symbol_count();
        for (std::uint64_t i = 1; i < count; ++i) {
            const Symbol symbol = symbol_at(i);
            if (is_external(symbol)) {
                import_of(i, symbol);
            } else if (symbol.binding() != STB_LOCAL) {
                const std::string_view name = string_at(symbol.name);
                if (is_entry_point(name) || is_asked_for(symbol, name))
                    image_.exports.push_back({name, symbol.value, {}});
            }
        }
        std::ranges::sort(image_.exports, {}, &Export::name);
        const auto repeated = std::ranges::unique(image_.exports, {}, &Export::name);
        image_.exports.erase(repeated.begin(), repeated.end());
    }

    bool is_asked_for(const Symbol& symbol, std::string_view name) const {
        const bool plain = symbol.type() != STT_TLS && symbol.type() != STT_GNU_IFUNC;
        return plain && also_ != nullptr && also_->contains(name);
    }

    // What the program and its libraries define comes before what the module defines itself. It matters for the
    // functions that decide.
    bool is_external(const Symbol& symbol) const {
        if (!symbol.defined()) return true;
        static constexpr std::string_view deciding[] = {"PyModuleDef_Init", "PyModule_Create2",
                                                        "PyModule_FromDefAndSpec2", "PyUnstable_Module_SetGIL"};
        return symbol.binding() != STB_LOCAL &&
               std::ranges::find(deciding, string_at(symbol.name)) != std::end(deciding);
    }

    std::uint32_t import_of(std::uint64_t index, const Symbol& symbol) {
        if (index >= import_of_symbol_.size()) import_of_symbol_.resize(index + 64, Fixup::no_import);
        if (import_of_symbol_[index] == Fixup::no_import) {
            import_of_symbol_[index] = static_cast<std::uint32_t>(image_.imports.size());
            image_.imports.push_back(
                {string_at(symbol.name), {}, symbol.binding() == STB_WEAK, symbol.type() == STT_FUNC});
        }
        return import_of_symbol_[index];
    }

    void read_relocations() {
        const unsigned word = view_.word_size();
        read_relative(dyn_.relr);
        read_table(dyn_.rel, false, 2 * word);
        read_table(dyn_.rela, true, 3 * word);
        read_table(dyn_.plt, dyn_.plt_is_rela, dyn_.plt_is_rela ? 3 * word : 2 * word);
    }

    // RELR: addresses, each followed by bitmaps of the words behind it. Every one is a relative relocation.
    void read_relative(const Table& table) {
        if (table.size == 0) return;
        const unsigned word = view_.word_size();
        const std::uint64_t at = offset_of(table.address, "the RELR table");
        view_.part(at, table.size, "the RELR table");
        std::uint64_t where = 0;
        for (std::uint64_t i = 0; i + word <= table.size; i += word) {
            std::uint64_t entry = view_.word(at + i, "the RELR table");
            if ((entry & 1) == 0) {
                add_relative(entry, at + i);
                where = entry + word;
                continue;
            }
            for (std::uint64_t place = where; (entry >>= 1) != 0; place += word)
                if ((entry & 1) != 0) add_relative(place, at + i);
            where += (8 * word - 1) * word;
        }
    }

    void add_relative(std::uint64_t place, std::uint64_t at) {
        add({place, in_place(place), Fixup::no_import, Fixup::Kind::rebase,
             static_cast<std::uint8_t>(view_.word_size())},
            at);
    }

    void read_table(const Table& table, bool with_addend, unsigned entry) {
        if (table.size == 0) return;
        const std::uint64_t at = offset_of(table.address, "a relocation table");
        view_.part(at, table.size, "a relocation table");
        for (std::uint64_t i = 0; i + entry <= table.size; i += entry) relocate(at + i, with_addend);
    }

    void relocate(std::uint64_t at, bool with_addend) {
        const unsigned word = view_.word_size();
        const std::uint64_t place = view_.word(at, "a relocation"), info = view_.word(at + word, "a relocation");
        const std::uint32_t type = static_cast<std::uint32_t>(view_.wide() ? info & 0xffffffff : info & 0xff);
        const std::uint64_t index = view_.wide() ? info >> 32 : info >> 8;
        const Relocation kind = relocation_kind(image_.architecture, type);
        if (kind == Relocation::none) return;
        if (kind == Relocation::unknown) {
            ++image_.unknown_fixups;
            return;
        }
        Fixup fixup{place, with_addend ? addend(at + 2 * word) : in_place(place), Fixup::no_import, Fixup::Kind::rebase,
                    static_cast<std::uint8_t>(word)};
        if (kind == Relocation::symbol_without_addend) fixup.value = 0;
        Symbol symbol;
        if (index != 0) {
            if (symbols_offset_ == 0 || index > (view_.size() - symbols_offset_) / symbol_size())
                view_.malformed(at, "a relocation names a symbol outside of the symbol table");
            symbol = symbol_at(index);
        }
        const bool external = index != 0 && is_external(symbol);
        if (external) fixup.import = import_of(index, symbol);
        const std::uint64_t target = external ? fixup.value : fixup.value + symbol.value;
        switch (kind) {
            case Relocation::relative:
                fixup.import = Fixup::no_import;
                break;
            case Relocation::symbol:
            case Relocation::symbol_without_addend:
                fixup.kind = external                         ? Fixup::Kind::import
                             : symbol.type() == STT_GNU_IFUNC ? Fixup::Kind::indirect
                                                              : Fixup::Kind::rebase;
                // What is defined nowhere and asked for by number 0 is the address 0: not to be moved with the image.
                if (index == 0) return;
                fixup.value = target;
                break;
            case Relocation::indirect:
                fixup.kind = Fixup::Kind::indirect;
                break;
            case Relocation::tls_module:
                fixup.kind = Fixup::Kind::tls_module;
                break;
            case Relocation::tls_offset:
                fixup.kind = Fixup::Kind::tls_offset;
                fixup.value = target - tls_bias(image_.architecture);
                break;
            case Relocation::tls_from_base:
                fixup.kind = Fixup::Kind::tls_from_base;
                fixup.value = target;
                break;
            case Relocation::tls_descriptor:
                fixup.kind = Fixup::Kind::tls_descriptor;
                fixup.value = target;
                break;
            default:
                return;
        }
        add(fixup, at);
    }

    std::uint64_t addend(std::uint64_t at) const {
        const std::uint64_t value = view_.word(at, "a relocation");
        return view_.wide() ? value : static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
    }

    // What the file has at the place of a relocation: its addend.
    std::uint64_t in_place(std::uint64_t place) const {
        const Bytes bytes = image_.bytes_at(place, view_.word_size());
        if (bytes.size() < view_.word_size()) return 0;
        return view_.word(static_cast<std::uint64_t>(bytes.data() - view_.bytes().data()), "a relocated word");
    }

    void add(const Fixup& fixup, std::uint64_t at) {
        const std::uint64_t size = fixup.kind == Fixup::Kind::tls_descriptor ? 2u * fixup.width : fixup.width;
        if (!image_.has_memory(fixup.address, size)) view_.malformed(at, "a relocation lies outside of all segments");
        if (image_.fixups.size() >= max_fixups) view_.unsupported("it has more than 4000000 relocations");
        image_.fixups.push_back(fixup);
    }

    ByteView view_;
    Image image_;
    unsigned machine_ = 0;
    std::optional<Table> dynamic_;
    Dynamic dyn_;
    std::uint64_t strings_offset_ = 0, symbols_offset_ = 0, relro_size_ = 0;
    std::vector<std::uint32_t> import_of_symbol_;
    const Names* also_;
};

}  // namespace

Result<Image> read_elf(Bytes file, const std::string& name, const Names* also) {
    try {
        return ElfReader(file, name, also).read();
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock::auditing
