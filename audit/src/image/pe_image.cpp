// pe_image.cpp: reads PE files (.pyd, .dll): sections, imports and delay imports, base relocations, exports, the
// thread-local block and the identity of the debug information. Field offsets are those of Microsoft's "PE Format".
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "image/bytes.hpp"
#include "image/image.hpp"
#include "image/image_builder.hpp"

namespace interlock::auditing::image {

namespace {

/// Of the data directories: the index in the optional header.
enum DirectoryIndex : unsigned {
    export_directory = 0,
    import_directory = 1,
    relocation_directory = 5,
    debug_directory = 6,
    tls_directory = 9,
    delay_import_directory = 13,
};

struct Directory {
    std::uint32_t rva = 0, size = 0;
    std::uint64_t offset = 0;  ///< of the entry in the file
};

/// The machine of the COFF header; the second is whether its addresses have 64 bits.
std::pair<Architecture, std::optional<bool>> architecture_of(std::uint16_t machine) {
    switch (machine) {
        case 0x8664:
            return {Architecture::x86_64, true};
        case 0x014c:
            return {Architecture::i386, false};
        case 0xaa64:
            return {Architecture::aarch64, true};
        case 0x01c0:
        case 0x01c2:
        case 0x01c4:
            return {Architecture::arm, false};
        case 0x5064:
            return {Architecture::riscv64, true};
        case 0x6264:
            return {Architecture::loongarch64, true};
        default:
            return {Architecture::other, std::nullopt};
    }
}

class PeReader {
public:
    PeReader(const ByteView& view, std::uint64_t header, const Names* also)
        : view_(view), builder_(view), header_(header), also_(also) {}

    /// The layout of the optional header has to be known before the reader is made, as `view` carries it.
    Image read() {
        read_headers();
        read_sections();
        if (const auto directory = find(debug_directory)) read_build_id(*directory);
        if (const auto directory = find(export_directory)) read_exports(*directory);
        if (const auto directory = find(import_directory)) read_imports(*directory);
        if (const auto directory = find(delay_import_directory)) read_delay_imports(*directory);
        if (image().exports.empty() && also_ == nullptr) return builder_.finish();  // no module: nothing will be run
        if (const auto directory = find(relocation_directory)) read_relocations(*directory);
        if (const auto directory = find(tls_directory)) read_tls(*directory);
        return builder_.finish();
    }

private:
    static constexpr std::uint64_t coff_size = 24;  // with the signature

    Image& image() { return builder_.image; }
    std::uint64_t optional_header() const { return header_ + coff_size; }

    void read_headers() {
        const auto machine = view_.u16(header_ + 4, "the machine");
        const auto [architecture, wide] = architecture_of(machine);
        if (wide && *wide != view_.wide())
            view_.malformed(optional_header(), std::string("the header is one for ") + (*wide ? "32" : "64") +
                                                   "-bit addresses, the machine (" + hex(machine) + ") has others");
        image().format = Format::pe;
        image().architecture = architecture;
        image().description = view_.wide() ? "PE32+" : "PE32";
        image().platform = "windows";
        constexpr std::uint16_t is_dll = 0x2000;
        if ((view_.u16(header_ + 22, "the characteristics") & is_dll) == 0)
            view_.unsupported("it is a Windows program, and no module");

        const auto at = optional_header();
        base_ = view_.wide() ? view_.u64(at + 24, "the image base") : view_.u32(at + 28, "the image base");
        section_alignment_ = view_.u32(at + 32, "the section alignment");
        image_size_ = view_.u32(at + 56, "the size of the image");
        const std::uint64_t last = view_.wide() ? ~0ull : ~0u;
        if (image_size_ == 0 || image_size_ - 1 > last - base_)
            view_.malformed(at + 56, "an image of " + hex(image_size_) + " bytes at address " + hex(base_) +
                                         " goes beyond the end of the address space");
        const auto headers = view_.u32(at + 60, "the size of the headers");
        Segment segment;
        segment.address = base_;
        segment.size = headers;
        segment.data = view_.part(0, headers, "the part of the headers");
        builder_.add_segment(segment, at + 60);
    }

    void read_sections() {
        const auto count = view_.u16(header_ + 6, "the number of sections");
        const std::uint64_t table = optional_header() + view_.u16(header_ + 20, "the size of the optional header");
        for (unsigned i = 0; i < count; ++i) read_section(table + std::uint64_t{i} * 40);
        builder_.finish_segments();
    }

    void read_section(std::uint64_t at) {
        const auto header = view_.part(at, 40, "a section header");
        auto virtual_size = view_.u32(at + 8, "the size of a section");
        const auto rva = view_.u32(at + 12, "the address of a section");
        const auto raw_size = view_.u32(at + 16, "the size of a section");
        std::uint64_t raw = view_.u32(at + 20, "the offset of a section");
        const auto flags = view_.u32(at + 36, "the flags of a section");
        if (virtual_size == 0) virtual_size = raw_size;
        if (rva > image_size_ || virtual_size > image_size_ - rva)
            view_.malformed(at, "the section at RVA " + hex(rva) + " with " + hex(virtual_size) +
                                    " bytes is not within the image, which has " + hex(image_size_));
        // As Windows does it: files are mapped in units of 512 bytes.
        if (section_alignment_ >= 0x1000)
            raw &= ~std::uint64_t{0x1ff};
        else if (raw_size != 0 && raw != rva)
            // With smaller units than pages the file is mapped as it is.
            view_.malformed(
                at, "a section lies elsewhere in the file than in memory, with an alignment below that of pages");
        Segment segment;
        segment.address = base_ + rva;
        segment.size = virtual_size;
        if (raw_size != 0) segment.data = view_.part(raw, std::min(virtual_size, raw_size), "the content of a section");
        segment.executable = (flags & 0x20000000) != 0;
        segment.writable = (flags & 0x80000000) != 0;
        builder_.add_segment(segment, at);

        // Import tables are written by the loader alone, and .tls is only the template of what each thread has.
        std::string_view name(reinterpret_cast<const char*>(header.data()), 8);
        name = name.substr(0, name.find('\0'));
        if (segment.writable && name != ".idata" && name != ".didat" && name != ".tls")
            image().writable_globals += virtual_size;
    }

    std::optional<Directory> find(DirectoryIndex index) const {
        const auto at = optional_header();
        const std::uint64_t table = at + (view_.wide() ? 112 : 96);
        if (index >= view_.u32(table - 4, "the number of data directories")) return std::nullopt;
        Directory directory;
        directory.offset = table + index * std::uint64_t{8};
        if (directory.offset + 8 > at + view_.u16(header_ + 20, "the size of the optional header")) return std::nullopt;
        directory.rva = view_.u32(directory.offset, "a data directory");
        directory.size = view_.u32(directory.offset + 4, "a data directory");
        if (directory.rva == 0) return std::nullopt;
        return directory;
    }

    /// The file offset of a part of the image. `from` is the offset of what refers to it.
    std::uint64_t offset_of(std::uint64_t rva, std::uint64_t size, const std::string& what, std::uint64_t from) const {
        const std::uint64_t address = base_ + rva;
        const Segment* segment = rva < image_size_ ? builder_.segment_with(address, size) : nullptr;
        if (segment == nullptr || address - segment->address > segment->data.size() ||
            size > segment->data.size() - (address - segment->address))
            view_.malformed(from, what + " (RVA " + hex(rva) + ", " + std::to_string(size) +
                                      " bytes) is not within a section's part of the file");
        return builder_.file_offset(address);
    }

    std::string_view name_at(std::uint64_t rva, const char* what, std::uint64_t from) {
        const auto offset = offset_of(rva, 1, what, from);
        const Segment* segment = builder_.segment_with(base_ + rva, 1);
        const auto start = static_cast<std::uint64_t>(segment->data.data() - view_.bytes().data());
        return builder_.name(offset, what, start + segment->data.size());
    }

    // ---- imports ----

    void read_imports(const Directory& directory) {
        auto from = directory.offset;
        for (std::uint64_t rva = directory.rva;; rva += 20) {
            const auto at = offset_of(rva, 20, "an import descriptor", from);
            const auto name = view_.u32(at + 12, "an import descriptor");
            const auto slots = view_.u32(at + 16, "an import descriptor");
            if (name == 0 || slots == 0) return;
            const auto names = view_.u32(at, "an import descriptor");
            const auto library = name_at(name, "the name of a library", at + 12);
            builder_.add_library(library);
            read_thunks(library, names != 0 ? names : slots, slots, at);
            from = at;
        }
    }

    void read_delay_imports(const Directory& directory) {
        auto from = directory.offset;
        for (std::uint64_t rva = directory.rva;; rva += 32) {
            const auto at = offset_of(rva, 32, "a delay import descriptor", from);
            const auto field = [&](unsigned offset) -> std::uint64_t {
                const std::uint64_t value = view_.u32(at + offset, "a delay import descriptor");
                // Visual C++ 6 stored addresses and not RVAs.
                constexpr std::uint32_t has_rvas = 1;
                if (value == 0 || (view_.u32(at, "a delay import descriptor") & has_rvas) != 0) return value;
                if (value < base_) view_.malformed(at + offset, "the address " + hex(value) + " is below the image");
                return value - base_;
            };
            if (field(4) == 0) return;
            const auto library = name_at(field(4), "the name of a library", at + 4);
            builder_.add_library(library);
            read_thunks(library, field(16), field(12), at);
            from = at;
        }
    }

    /// `names` is the table of what is imported, `slots` that of the addresses that the loader fills in.
    void read_thunks(std::string_view library, std::uint64_t names, std::uint64_t slots, std::uint64_t from) {
        const unsigned word = view_.word_size();
        const std::uint64_t by_ordinal = view_.wide() ? 1ull << 63 : 1ull << 31;
        for (std::uint64_t i = 0;; ++i) {
            const auto at = offset_of(names + i * word, word, "the name table of '" + escape(library) + "'", from);
            const auto thunk = view_.word(at, "an import");
            if (thunk == 0) return;
            Import import;
            import.library = library;
            if ((thunk & by_ordinal) != 0) {
                import.ordinal = static_cast<std::uint16_t>(thunk);
            } else {
                if (thunk >= image_size_) view_.malformed(at, "the RVA " + hex(thunk) + " of an import is too large");
                import.name = name_at(thunk + 2, "the name of an import", at);  // after the hint
            }
            Fixup fixup;
            fixup.address = base_ + slots + i * word;
            fixup.import = builder_.add_import(import, at);
            fixup.kind = Fixup::Kind::import;
            fixup.width = static_cast<std::uint8_t>(word);
            builder_.add_fixup(fixup, at);
        }
    }

    // ---- base relocations ----

    void read_relocations(const Directory& directory) {
        const auto start = offset_of(directory.rva, directory.size, "the base relocation table", directory.offset);
        const auto end = start + directory.size;
        for (auto at = start; end - at >= 8;) {
            const auto page = view_.u32(at, "a block of base relocations");
            const auto size = view_.u32(at + 4, "a block of base relocations");
            if (page == 0 && size == 0) return;  // padding
            if (size < 8 || size > end - at)
                view_.malformed(at + 4, "a block of base relocations with " + std::to_string(size) +
                                            " bytes does not fit into its table");
            for (auto entry = at + 8; entry + 2 <= at + size; entry += 2)
                read_relocation(page, view_.u16(entry, "a base relocation"), entry);
            at += size;
        }
    }

    void read_relocation(std::uint64_t page, std::uint16_t entry, std::uint64_t at) {
        const std::uint64_t rva = page + (entry & 0xfff);
        Fixup fixup;
        switch (entry >> 12) {
            case 0:  // ABSOLUTE: padding
                return;
            case 3:  // HIGHLOW
                fixup.width = 4;
                fixup.value = view_.u32(offset_of(rva, 4, "a relocated address", at), "a relocated address");
                break;
            case 10:  // DIR64
                fixup.width = 8;
                fixup.value = view_.u64(offset_of(rva, 8, "a relocated address", at), "a relocated address");
                break;
            default:  // parts of addresses in instructions, of machines other than x86 and arm64
                ++image().unknown_fixups;
                return;
        }
        fixup.address = base_ + rva;
        builder_.add_fixup(fixup, at);
    }

    // ---- exports ----

    /// Where Windows finds a name, which it takes to be sorted.
    std::optional<std::uint64_t> found_at(std::uint64_t names, std::uint64_t count, std::string_view wanted) {
        for (std::uint64_t low = 0, high = count; low < high;) {
            const std::uint64_t middle = (low + high - 1) / 2;
            const auto rva = view_.u32(names + 4 * middle, "an exported name");
            const std::string_view name = name_at(rva, "an exported name", names + 4 * middle);
            if (name == wanted) return middle;
            if (wanted < name)
                high = middle;
            else
                low = middle + 1;
        }
        return std::nullopt;
    }

    void read_exports(const Directory& directory) {
        const auto at = offset_of(directory.rva, 40, "the export directory", directory.offset);
        const auto functions_count = view_.u32(at + 20, "the export directory");
        const auto names_count = view_.u32(at + 24, "the export directory");
        if (names_count == 0) return;
        const auto table = [&](unsigned field, std::uint64_t count, unsigned size, const char* what) {
            return offset_of(view_.u32(at + field, "the export directory"), count * size, what, at + field);
        };
        const auto functions = table(28, functions_count, 4, "the table of exported addresses");
        const auto names = table(32, names_count, 4, "the table of exported names");
        const auto ordinals = table(36, names_count, 2, "the table of ordinals of exported names");
        for (std::uint64_t i = 0; i < names_count; ++i) {
            const auto name_rva = view_.u32(names + 4 * i, "an exported name");
            // Spares most names of a library with many exports.
            const char first = static_cast<char>(
                view_.u8(offset_of(name_rva, 1, "an exported name", names + 4 * i), "an exported name"));
            if (also_ == nullptr && !may_become_entry_point({&first, 1})) continue;
            Export entry;
            entry.name = name_at(name_rva, "an exported name", names + 4 * i);
            if (!is_entry_point(entry.name) && (also_ == nullptr || !also_->contains(entry.name))) continue;
            if (found_at(names, names_count, entry.name) != i)
                view_.malformed(names + 4 * i, "the exported name " + quoted(entry.name) +
                                                   " is not found, as the names are not sorted, or is there twice");
            const auto ordinal = view_.u16(ordinals + 2 * i, "the ordinal of an exported name");
            if (ordinal >= functions_count)
                view_.malformed(ordinals + 2 * i, "the ordinal " + std::to_string(ordinal) + " of " +
                                                      quoted(entry.name) + " is not below the number of functions, " +
                                                      std::to_string(functions_count));
            const auto function = functions + std::uint64_t{4} * ordinal;
            const auto rva = view_.u32(function, "an exported address");
            if (rva == 0) continue;  // unused
            if (rva >= directory.rva && rva - directory.rva < directory.size) {
                entry.forward = name_at(rva, "the target of a forwarded export", function);
            } else {
                entry.address = base_ + rva;
                if (rva >= image_size_ || builder_.segment_with(entry.address, 1) == nullptr)
                    view_.malformed(function, "the RVA " + hex(rva) + " of the export " + quoted(entry.name) +
                                                  " is not within a section");
            }
            builder_.add_export(entry);
        }
    }

    // ---- the rest ----

    void read_tls(const Directory& directory) {
        const unsigned word = view_.word_size();
        const auto at = offset_of(directory.rva, 4 * word + 8, "the thread-local directory", directory.offset);
        const auto first = view_.word(at, "the thread-local directory");
        const auto last = view_.word(at + word, "the thread-local directory");
        const auto zeros = view_.u32(at + 4 * word, "the thread-local directory");
        const auto alignment = view_.u32(at + 4 * word + 4, "the thread-local directory") >> 20 & 15;
        if (last < first || (last != first && builder_.segment_with(first, last - first) == nullptr))
            view_.malformed(
                at, "the thread-local data at address " + hex(first) + " to " + hex(last) + " is not within a section");
        image().tls_data = image().bytes_at(first, last - first);
        image().tls_size = last - first + zeros;
        image().tls_alignment = alignment == 0 ? 1 : 1ull << (alignment - 1);
        image().tls_index_address = view_.word(at + 2 * word, "the thread-local directory");
        if (builder_.segment_with(image().tls_index_address, 4) == nullptr)
            view_.malformed(at + 2 * word, "the place of the thread-local index at address " +
                                               hex(image().tls_index_address) + " is not within a section");
    }

    /// Nothing is loaded from here: a directory that was left behind by a tool that strips files is no error.
    void read_build_id(const Directory& directory) {
        const Bytes table = image().bytes_at(base_ + directory.rva, directory.size);
        if (table.empty()) return;
        const auto start = static_cast<std::uint64_t>(table.data() - view_.bytes().data());
        for (auto at = start; at - start + 28 <= table.size(); at += 28) {
            constexpr std::uint32_t codeview = 2;
            if (view_.u32(at + 12, "a debug directory") != codeview) continue;
            const auto data = view_.u32(at + 24, "a debug directory");
            if (!view_.contains(data, 24) || view_.u32(data, "debug information") != 0x53445352) continue;  // "RSDS"
            // As symbol servers write it: the first three numbers of the GUID, its last eight bytes, the age.
            static constexpr char digits[] = "0123456789abcdef";
            static constexpr unsigned order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
            std::string& id = image().build_id;
            id.clear();
            for (const unsigned index : order) {
                const auto byte = view_.u8(data + 4 + index, "a GUID");
                id += digits[byte >> 4];
                id += digits[byte & 15];
            }
            id += hex(view_.u32(data + 20, "the age of debug information")).substr(2);
            return;
        }
    }

    ByteView view_;
    ImageBuilder builder_;
    std::uint64_t header_, base_ = 0;
    std::uint64_t image_size_ = 0;
    std::uint32_t section_alignment_ = 0;
    const Names* also_;
};

Image read_image(Bytes file, const std::string& name, const Names* also) {
    const ByteView view(file, name, false, true);
    if (view.u16(0, "the signature") != 0x5a4d) view.malformed(0, "it does not start with 'MZ'");
    const auto header = view.u32(0x3c, "the offset of the PE header");
    if (!view.contains(header, 4) || view.u32(header, "the PE signature") != 0x4550)
        view.malformed(0x3c, "there is no PE header at " + hex(header));
    const auto magic = view.u16(std::uint64_t{header} + 24, "the optional header");
    if (magic != 0x10b && magic != 0x20b)
        view.malformed(std::uint64_t{header} + 24, "the optional header is of the unknown kind " + hex(magic));
    return PeReader(view.with_layout(magic == 0x20b, true), header, also).read();
}

}  // namespace

Result<Image> read_pe(Bytes file, const std::string& name, const Names* also) {
    try {
        return read_image(file, name, also);
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock::auditing::image
