// elf_image.cpp: from the tables of an ELF file, which abi/ reads, to an image: what is mapped, relocated, imported and
// run when it is loaded. Layout of relocations: the supplements of the System V ABI for each processor.
//
// SPDX-License-Identifier: MIT
#include <elf.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "abi/elf_dynamic.hpp"
#include "abi/elf_symbols.hpp"
#include "abi/elf_view.hpp"
#include "image/bytes.hpp"
#include "image/elf_segments.hpp"
#include "image/elf_symbols.hpp"
#include "image/image.hpp"
#include "image/image_builder.hpp"
#include "image/relocation_types.hpp"

namespace interlock::auditing::image {

namespace {

constexpr std::uint64_t max_memory = 4ull << 30, max_folders = 64;

struct Table {
    Table() = default;
    Table(const std::optional<std::uint64_t>& at, const std::optional<std::uint64_t>& bytes)
        : address(at.value_or(0)), size(at ? bytes.value_or(0) : 0) {}

    std::uint64_t address = 0, size = 0;
};

/// What is no shared library by its own word.
const ByteSource& refuse_other_kinds(const ByteSource& source, const ByteView& view) {
    switch (ElfKind(source).type) {
        case ET_REL:
            view.unsupported("it is an object file, which has to be linked first");
        case ET_EXEC:
            view.unsupported("it is a program, not a shared library");
        case ET_CORE:
            view.unsupported("it is a memory dump");
        default:
            return source;
    }
}

class ElfReader final : private AddressMap {
public:
    ElfReader(Bytes file, const std::string& name, const ReadOptions& options)
        : source_(file, name, Errc::unreadable),
          elf_(refuse_other_kinds(source_, ByteView(file, name))),
          view_(file, name, elf_.decoder().wide(), elf_.decoder().little()),
          builder_(view_),
          options_(options) {}

    Image read() {
        read_header();
        read_segments();
        read_dynamic();
        read_libraries();
        read_symbols();
        const bool is_run = !image_.exports.empty() || options_.also != nullptr;  // else it is no module
        if (is_run) read_relocations();
        builder_.repeated = in_place_ ? Repeated::refused : Repeated::replaced;
        Image image = builder_.finish();
        check_tables(image.fixups);
        return image;
    }

private:
    void read_header() {
        image_.format = Format::elf;
        image_.platform = "linux";
        image_.description =
            std::string(view_.wide() ? "ELF64" : "ELF32") + (view_.little() ? " little-endian" : " big-endian");
        image_.architecture = architecture();
    }

    Architecture architecture() const {
        switch (elf_.machine()) {
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
        for (const ElfSegment& segment : elf_.segments()) read_segment(segment);
        for (const Segment& segment : mapped_segments(view_, elf_.segments())) builder_.add_segment(segment, 0);
        builder_.finish_segments();
        if (image_.segments.empty()) view_.malformed(0, "no segment is to be loaded");
        const Segment &first = image_.segments.front(), &last = image_.segments.back();
        if (last.address + last.size - first.address > max_memory)
            view_.too_much("it would take more than 4 GiB of memory");
        image_.writable_globals -= std::min(image_.writable_globals, relro_size_);
        image_.tls_data = tls_template();
    }

    void read_segment(const ElfSegment& segment) {
        switch (segment.type) {
            case PT_LOAD:
                if ((segment.flags & PF_W) != 0) image_.writable_globals += segment.size;
                break;
            case PT_TLS:
                if (segment.size == 0) return;
                if (segment.size < segment.file_size || segment.size > (64u << 20))
                    view_.malformed(segment.at, "thread-local data has a wrong size");
                tls_ = {segment.address, segment.file_size};
                image_.tls_size = segment.size;
                image_.tls_alignment = std::clamp<std::uint64_t>(segment.alignment, 1, 4096);
                break;
            case PT_GNU_RELRO:
                relro_size_ = segment.size;
                break;
            case PT_NOTE:
                if (image_.build_id.empty()) read_build_id(segment);
                break;
            default:
                break;
        }
    }

    Bytes tls_template() const {
        if (tls_.size == 0) return {};
        return view_.part(offset_of(tls_, "the thread-local data"), tls_.size, "the thread-local data");
    }

    // Notes that cannot be read are not worth failing for: tools that change the libraries of a module write over them.
    void read_build_id(const ElfSegment& segment) try {
        ByteSource::Buffer buffer;
        for (const Note& note : elf_.notes(segment, elf_.note_bytes(segment, buffer)))
            if (image_.build_id.empty()) image_.build_id = note.build_id();
    } catch (const Failure&) {
    }

    // As it is mapped, up to the end of what is in memory as it is in the file.
    ElfPlace place(std::uint64_t address, const char* what) const override {
        const Bytes bytes = image_.bytes_at(address, ~0ull);
        if (bytes.empty())
            view_.malformed(0, std::string(what) + " is not within the file (address " + std::to_string(address) + ")");
        return {static_cast<std::uint64_t>(bytes.data() - view_.bytes().data()), bytes.size()};
    }

    // Where all of a table is.
    std::uint64_t offset_of(const Table& table, const char* what) const {
        const ElfPlace at = place(table.address, what);
        if (table.size > at.available) view_.malformed(at.offset, std::string(what) + " is not within the file");
        return at.offset;
    }

    void read_dynamic() {
        const ElfSegment* segment = dynamic_segment(elf_);
        if (segment == nullptr) view_.malformed(0, "it has no dynamic section");
        dynamic_ = segment->address;
        dyn_ = dynamic_info(elf_, *segment, *this);
        if (dyn_.filtered) view_.too_much("its functions are looked for in another library first (DT_FILTER)");
        if (dyn_.init.value_or(0) != 0) image_.constructors = {*dyn_.init};
        image_.constructor_table = dyn_.init_array.value_or(0);
        image_.constructor_table_size = dyn_.init_array_size.value_or(0);
        ByteSource::Buffer unused;
        symbols_.emplace(view_, elf_,
                         dyn_.symbols && dyn_.strings ? SymbolTables(elf_, dyn_, *this, unused) : SymbolTables());
    }

    void read_libraries() {
        for (const std::uint64_t name : dyn_.needed) builder_.add_library(symbols_->string_at(name));
        for (const auto& folders : {dyn_.rpath, dyn_.runpath})
            for (std::string_view rest = folders ? symbols_->string_at(*folders) : std::string_view(); !rest.empty();) {
                const std::size_t colon = std::min(rest.find(':'), rest.size());
                if (colon > 0 && image_.library_folders.size() < max_folders)
                    image_.library_folders.push_back(rest.substr(0, colon));
                rest.remove_prefix(std::min(colon + 1, rest.size()));
            }
    }

    void read_symbols() {
        std::vector<std::string_view> exported;
        for (std::uint64_t i = 1; i < symbols_->count(); ++i) {
            const ElfSymbol symbol = symbols_->at(i);
            if (is_external(symbol)) {
                import_of(i, symbol);
            } else if (symbol.binding() != STB_LOCAL) {
                const std::string_view name = symbols_->name(symbol);
                image_.defined.push_back(name);
                if (is_entry_point(name) || is_asked_for(symbol, name)) exported.push_back(name);
            }
        }
        std::ranges::sort(exported);
        const auto repeated = std::ranges::unique(exported);
        exported.erase(repeated.begin(), repeated.end());
        // Which one of a name is found is not for the table to say.
        for (const std::string_view name : exported)
            if (const auto found = symbols_->find(name)) builder_.add_export({name, symbols_->at(*found).value, {}});
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
            import_of_symbol_[index] = builder_.add_import(
                {symbols_->name(symbol), {}, symbol.binding() == STB_WEAK, symbol.type() == STT_FUNC}, 0);
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
        const Table rel(dyn_.rel, dyn_.rel_size), plt(dyn_.plt, dyn_.plt_size);
        const bool plt_is_rela = dyn_.plt_kind == DT_RELA;
        if (wants_addends() && (rel.size != 0 || (plt.size != 0 && !plt_is_rela)))
            view_.too_much(
                "it has relocations without addends, of which not every loader takes notice on this processor");
        read_relative({dyn_.relr, dyn_.relr_size});
        read_table(rel, false, 2 * word);
        read_table({dyn_.rela, dyn_.rela_size}, true, 3 * word, dyn_.relative_count.value_or(0));
        read_table(plt, plt_is_rela, plt_is_rela ? 3 * word : 2 * word);
    }

    // What a relocation writes to must not be what the dynamic linker reads: what comes first would decide, and not
    // every loader goes the same way.
    void check_tables(const std::vector<Fixup>& fixups) const {
        const std::uint64_t count = symbols_->count();
        const Table tables[] = {{dynamic_, dyn_.size},
                                {dyn_.symbols, count * ElfSymbol::size_in(elf_.decoder())},
                                {dyn_.strings, dyn_.string_size},
                                {dyn_.hash, 8 + 4 * count},
                                {dyn_.gnu_hash, 16 + 4 * count},
                                {dyn_.versions, 2 * count},
                                {dyn_.rela, dyn_.rela_size},
                                {dyn_.rel, dyn_.rel_size},
                                {dyn_.relr, dyn_.relr_size},
                                {dyn_.plt, dyn_.plt_size}};
        for (const Table& one : tables) {
            constexpr std::uint64_t widest = 16;
            const std::uint64_t from = one.address - std::min(one.address, widest);
            auto fixup = std::ranges::lower_bound(fixups, from, {}, &Fixup::address);
            for (; fixup != fixups.end() && fixup->address < one.address + one.size; ++fixup)
                if (fixup->address + fixup->size() > one.address)
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
        builder_.add_fixup({place, in_place(place), Fixup::no_import, Fixup::Kind::rebase,
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
        builder_.add_fixup(fixup, at);
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

    ByteSource source_;
    ElfView elf_;
    ByteView view_;
    ImageBuilder builder_;
    Image& image_ = builder_.image;
    std::uint64_t relro_size_ = 0;
    Table tls_;
    std::uint64_t dynamic_ = 0;  ///< address
    DynamicInfo dyn_;
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
