// elf_image.cpp: ELF shared libraries of both classes and byte orders, as the dynamic linker sees them: through the
// program headers and the dynamic section. Section headers are not needed. Layout: System V ABI, chapters 4 and 5, and
// the processor supplements for the relocations.
//
// SPDX-License-Identifier: MIT
#include <elf.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "image/bytes.hpp"
#include "image/elf_segments.hpp"
#include "image/elf_symbols.hpp"
#include "image/image.hpp"
#include "image/relocation_types.hpp"

namespace interlock::auditing::image {

namespace {

// A RELR table can ask for 504 relocations with 8 bytes, so its size is no bound.
constexpr std::uint64_t max_memory = 4ull << 30, max_fixups = 4'000'000, max_folders = 64;
constexpr std::uint32_t dt_relrsz = 35, dt_relr = 36;  // <elf.h> of older C libraries lacks them
constexpr const char* dynamic_section = "the dynamic section";

struct Table {
    std::uint64_t address = 0, size = 0;
};

struct Dynamic {
    std::uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0, gnu_hash = 0, versions = 0;
    Table rela, rel, relr, plt;
    std::uint64_t relative_first = 0;  ///< so many relocations of `rela` are taken to be relative
    bool plt_is_rela = false, symbolic = false;
    std::vector<std::uint64_t> needed, folders;
};

class ElfReader {
public:
    ElfReader(Bytes file, const std::string& name, const ReadOptions& options)
        : view_(layout(ByteView(file, name))), options_(options) {}

    Image read() {
        read_header();
        read_segments();
        read_dynamic();
        read_tables();
        read_libraries();
        read_symbols();
        if (!image_.exports.empty() || options_.also != nullptr) {  // else it is no module, and nothing will be run
            read_relocations();
            std::stable_sort(image_.fixups.begin(), image_.fixups.end(),
                             [](const Fixup& a, const Fixup& b) { return a.address < b.address; });
            check_fixups();
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
        if (entry != (wide ? 56u : 32u)) view_.malformed(wide ? 54 : 42, "program headers have another size");
        for (std::uint64_t i = 0; i < count; ++i) read_segment(table + i * entry);
        image_.segments = mapped_segments(view_, loads_);
        if (image_.segments.empty()) view_.malformed(table, "no segment is to be loaded");
        if (!dynamic_) view_.malformed(table, "it has no dynamic section");
        const Segment &first = image_.segments.front(), &last = image_.segments.back();
        if (last.address + last.size - first.address > max_memory)
            view_.too_much("it would take more than 4 GiB of memory");
        image_.writable_globals -= std::min(image_.writable_globals, relro_size_);
        image_.tls_data = tls_template();
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
            case PT_LOAD:
                if (size == 0) return;
                loads_.push_back({at, address, offset, file_size, size, (flags & PF_W) != 0, (flags & PF_X) != 0});
                if ((flags & PF_W) != 0) image_.writable_globals += size;
                break;
            case PT_DYNAMIC:
                // By its address: that is what the dynamic linker goes by, as for all that follows. The last one
                // counts.
                if (file_size != 0) dynamic_ = address;
                break;
            case PT_TLS:
                if (size == 0) return;
                if (size < file_size || size > (64u << 20)) view_.malformed(at, "thread-local data has a wrong size");
                tls_ = {address, file_size};
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

    Bytes tls_template() const {
        if (tls_.size == 0) return {};
        return view_.part(offset_of(tls_, "the thread-local data"), tls_.size, "the thread-local data");
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

    // Where an address of the image lies in the file, with the end of what is in memory as it is there; throws when it
    // does not.
    ElfTable place_of(std::uint64_t address, const char* what) const {
        for (const Segment& segment : image_.segments)
            if (address >= segment.address && address - segment.address < segment.data.size()) {
                const auto start = static_cast<std::uint64_t>(segment.data.data() - view_.bytes().data());
                return {start + address - segment.address, start + segment.data.size()};
            }
        view_.malformed(0, std::string(what) + " is not within the file (address " + std::to_string(address) + ")");
    }

    // The same of all of a table.
    std::uint64_t offset_of(const Table& table, const char* what) const {
        const ElfTable place = place_of(table.address, what);
        if (table.size > place.end - place.at) view_.malformed(place.at, std::string(what) + " is not within the file");
        return place.at;
    }

    void read_dynamic() {
        const unsigned word = view_.word_size();
        const ElfTable place = place_of(*dynamic_, dynamic_section);
        // Behind the end of what the file has come zeros, which end it.
        for (std::uint64_t at = place.at; place.end - at >= 2 * word; at += 2 * word) {
            const std::uint64_t tag = view_.word(at, dynamic_section);
            const std::uint64_t value = view_.word(at + word, dynamic_section);
            if (tag == DT_NULL) return;
            dynamic_size_ += 2 * word;
            read_entry(tag, value);
        }
    }

    void read_entry(std::uint64_t tag, std::uint64_t value) {
        switch (tag) {
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
            case DT_VERSYM:
                dyn_.versions = value;
                break;
            case DT_RELACOUNT:
                dyn_.relative_first = value;
                break;
            case DT_SYMBOLIC:
                dyn_.symbolic = true;
                break;
            case DT_FLAGS:
                dyn_.symbolic = dyn_.symbolic || (value & DF_SYMBOLIC) != 0;
                break;
            case DT_FILTER:
            case DT_AUXILIARY:
                view_.too_much("its functions are looked for in another library first (DT_FILTER)");
            default:
                break;
        }
    }

    void read_tables() {
        ElfSymbolTables tables;
        if (dyn_.strings != 0) {
            tables.strings.at = offset_of({dyn_.strings, dyn_.strings_size}, "the string table");
            tables.strings.end = tables.strings.at + dyn_.strings_size;
            if (dyn_.symbols != 0) tables.symbols = place_of(dyn_.symbols, "the symbol table");
            if (dyn_.hash != 0) tables.hash = place_of(dyn_.hash, "the hash table");
            if (dyn_.gnu_hash != 0) tables.gnu_hash = place_of(dyn_.gnu_hash, "the hash table");
            if (dyn_.versions != 0) tables.versions = place_of(dyn_.versions, "the versions of symbols");
        }
        tables.hash_may_be_wide = machine_ == EM_S390 && view_.wide();
        symbols_.emplace(view_, tables);
    }

    void read_libraries() {
        if (dyn_.strings == 0) return;
        for (const std::uint64_t name : dyn_.needed) image_.libraries.push_back(symbols_->string_at(name));
        for (const std::uint64_t folders : dyn_.folders)
            for (std::string_view rest = symbols_->string_at(folders); !rest.empty();) {
                const std::size_t colon = std::min(rest.find(':'), rest.size());
                if (colon > 0 && image_.library_folders.size() < max_folders)
                    image_.library_folders.push_back(rest.substr(0, colon));
                rest.remove_prefix(std::min(colon + 1, rest.size()));
            }
    }

    void read_symbols() {
        for (std::uint64_t i = 1; i < symbols_->count(); ++i) {
            const ElfSymbol symbol = symbols_->at(i);
            if (is_external(symbol)) {
                import_of(i, symbol);
            } else if (symbol.binding() != STB_LOCAL) {
                const std::string_view name = symbols_->name(symbol);
                image_.defined.push_back(name);
                if (is_entry_point(name) || is_asked_for(symbol, name)) image_.exports.push_back({name, 0, {}});
            }
        }
        std::ranges::sort(image_.exports, {}, &Export::name);
        const auto repeated = std::ranges::unique(image_.exports, {}, &Export::name);
        image_.exports.erase(repeated.begin(), repeated.end());
        // Which one of a name is found is not for the table to say.
        std::erase_if(image_.exports, [&](Export& entry) {
            const auto found = symbols_->find(entry.name);
            if (found) entry.address = symbols_->at(*found).value;
            return !found;
        });
    }

    bool is_asked_for(const ElfSymbol& symbol, std::string_view name) const {
        const bool plain = symbol.type() != STT_TLS && symbol.type() != STT_GNU_IFUNC;
        return plain && options_.also != nullptr && options_.also->contains(name);
    }

    // What the program and its libraries define comes before what the module defines itself, and what the module
    // defines before what its libraries do; unless the file says that it uses its own.
    bool is_external(const ElfSymbol& symbol) const {
        if (!symbol.defined()) return true;
        if (symbol.binding() == STB_LOCAL || symbol.visibility() != STV_DEFAULT || dyn_.symbolic) return false;
        const std::string_view name = symbols_->name(symbol);
        return (options_.is_of_process != nullptr && options_.is_of_process(name)) ||
               (options_.interposed != nullptr && options_.interposed->contains(name));
    }

    // The symbol that a relocation means: where a table has several of one name, the one that is found by it.
    ElfSymbol meant(std::uint64_t index) {
        const ElfSymbol symbol = symbols_->at(index);
        const bool searched = symbol.defined() && symbol.binding() != STB_LOCAL && symbol.visibility() == STV_DEFAULT;
        if (!searched || symbols_->has_version(index)) return symbol;
        const auto [found, added] = meant_.try_emplace(index);
        if (added) found->second = symbols_->find(symbols_->name(symbol)).value_or(index);
        return found->second == index ? symbol : symbols_->at(found->second);
    }

    std::uint32_t import_of(std::uint64_t index, const ElfSymbol& symbol) {
        if (index >= import_of_symbol_.size()) import_of_symbol_.resize(index + 64, Fixup::no_import);
        if (import_of_symbol_[index] == Fixup::no_import) {
            import_of_symbol_[index] = static_cast<std::uint32_t>(image_.imports.size());
            image_.imports.push_back(
                {symbols_->name(symbol), {}, symbol.binding() == STB_WEAK, symbol.type() == STT_FUNC});
        }
        return import_of_symbol_[index];
    }

    // Processors of which the linker writes addends into the tables; then some loaders pass over tables without them.
    bool wants_addends() const {
        switch (image_.architecture) {
            case Architecture::x86_64:
            case Architecture::aarch64:
            case Architecture::ppc64le:
            case Architecture::s390x:
            case Architecture::riscv64:
                return true;
            default:
                return false;
        }
    }

    void read_relocations() {
        const unsigned word = view_.word_size();
        if (wants_addends() && (dyn_.rel.size != 0 || (dyn_.plt.size != 0 && !dyn_.plt_is_rela)))
            view_.too_much(
                "it has relocations without addends, of which not every loader takes notice on this processor");
        read_relative(dyn_.relr);
        read_table(dyn_.rel, false, 2 * word);
        read_table(dyn_.rela, true, 3 * word, dyn_.relative_first);
        read_table(dyn_.plt, dyn_.plt_is_rela, dyn_.plt_is_rela ? 3 * word : 2 * word);
    }

    // What a relocation writes to must not be what the dynamic linker reads, or another relocation's addend: what comes
    // first would decide, and not every loader goes the same way.
    void check_fixups() {
        const auto& fixups = image_.fixups;
        const auto size = [](const Fixup& fixup) {
            return fixup.kind == Fixup::Kind::tls_descriptor ? 2u * fixup.width : std::uint64_t{fixup.width};
        };
        for (std::size_t i = 1; i < fixups.size(); ++i) {
            const Fixup &before = fixups[i - 1], &after = fixups[i];
            if (after.address - before.address >= size(before)) continue;
            if (after.address != before.address || size(after) != size(before) || in_place_)
                view_.malformed(
                    0, "two relocations change the same bytes (address " + std::to_string(after.address) + ")");
        }
        const std::uint64_t count = symbols_->count();
        const Table tables[] = {{*dynamic_, dynamic_size_},
                                {dyn_.symbols, count * symbols_->entry_size()},
                                {dyn_.strings, dyn_.strings_size},
                                {dyn_.hash, dyn_.hash == 0 ? 0 : 8 + 4 * count},
                                {dyn_.gnu_hash, dyn_.gnu_hash == 0 ? 0 : 16 + 4 * count},
                                {dyn_.versions, dyn_.versions == 0 ? 0 : 2 * count},
                                dyn_.rela,
                                dyn_.rel,
                                dyn_.relr,
                                dyn_.plt};
        for (const Table& table : tables) {
            constexpr std::uint64_t widest = 16;
            const std::uint64_t from = table.address - std::min(table.address, widest);
            auto fixup = std::ranges::lower_bound(fixups, from, {}, &Fixup::address);
            for (; fixup != fixups.end() && fixup->address < table.address + table.size; ++fixup)
                if (fixup->address + size(*fixup) > table.address)
                    view_.malformed(0, "a relocation changes a table of the dynamic linker (address " +
                                           std::to_string(fixup->address) + ")");
        }
    }

    // RELR: addresses, each followed by bitmaps of the words behind it. Every one is a relative relocation.
    void read_relative(const Table& table) {
        if (table.size == 0) return;
        const unsigned word = view_.word_size();
        const std::uint64_t at = offset_of(table, "the RELR table");
        in_place_ = true;
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

    // Of the first `relative` ones nobody looks what kind they are.
    void read_table(const Table& table, bool with_addend, unsigned entry, std::uint64_t relative = 0) {
        if (table.size == 0) return;
        const std::uint64_t at = offset_of(table, "a relocation table");
        in_place_ = in_place_ || !with_addend;
        for (std::uint64_t i = 0; i + entry <= table.size; i += entry)
            relocate(at + i, with_addend, i / entry < relative);
    }

    void relocate(std::uint64_t at, bool with_addend, bool must_be_relative) {
        const unsigned word = view_.word_size();
        const std::uint64_t place = view_.word(at, "a relocation"), info = view_.word(at + word, "a relocation");
        const std::uint32_t type = static_cast<std::uint32_t>(view_.wide() ? info & 0xffffffff : info & 0xff);
        const std::uint64_t index = view_.wide() ? info >> 32 : info >> 8;
        const Relocation kind = relocation_kind(image_.architecture, type);
        if (must_be_relative && kind != Relocation::relative)
            view_.malformed(at, "a relocation that counts as a relative one (DT_RELACOUNT) is of another kind");
        if (kind == Relocation::none) return;
        if (kind == Relocation::unknown) {
            ++image_.unknown_fixups;
            return;
        }
        Fixup fixup{place, with_addend ? addend(at + 2 * word) : in_place(place), Fixup::no_import, Fixup::Kind::rebase,
                    static_cast<std::uint8_t>(word)};
        if (kind == Relocation::symbol_without_addend) fixup.value = 0;
        const ElfSymbol symbol = index == 0 ? ElfSymbol() : meant(index);
        if (index != 0 && symbol.absolute() && !is_external(symbol))
            view_.too_much("a relocation refers to a symbol that is a number, and no address");
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
        if (image_.fixups.size() >= max_fixups) view_.too_much("it has more than 4000000 relocations");
        image_.fixups.push_back(fixup);
    }

    ByteView view_;
    Image image_;
    unsigned machine_ = 0;
    std::vector<ElfLoad> loads_;
    std::optional<std::uint64_t> dynamic_;  ///< address
    std::uint64_t dynamic_size_ = 0, relro_size_ = 0;
    Table tls_;
    Dynamic dyn_;
    std::optional<ElfSymbols> symbols_;
    std::unordered_map<std::uint64_t, std::uint64_t> meant_;
    bool in_place_ = false;  ///< the addends of some relocations are where they write to
    std::vector<std::uint32_t> import_of_symbol_;
    ReadOptions options_;
};

}  // namespace

Result<Image> read_elf(Bytes file, const std::string& name, const ReadOptions& options) {
    try {
        return ElfReader(file, name, options).read();
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock::auditing::image
