// macho_image.cpp: reads Mach-O files: the slices of fat ones, load commands, segments, thread-local block. What has to
// be relocated and what is exported is read by macho_fixups.cpp, macho_dyld_info.cpp and macho_exports.cpp.
// Layouts are those of Apple's <mach-o/loader.h> and <mach-o/fat.h>.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "image/macho_file.hpp"

namespace interlock::auditing::image {

namespace {

constexpr std::uint32_t magic_32 = 0xfeedface, magic_64 = 0xfeedfacf, fat_magic = 0xcafebabe, fat_magic_64 = 0xcafebabf;
constexpr std::size_t max_folders = 64;

Architecture architecture_of(std::uint32_t cpu) {
    switch (cpu) {
        case 0x01000007:
            return Architecture::x86_64;
        case 7:
            return Architecture::i386;
        case 0x0100000c:
            return Architecture::aarch64;
        case 12:
            return Architecture::arm;
        case 0x01000012:
            return Architecture::ppc64;
        default:
            return Architecture::other;
    }
}

std::string platform_name(std::uint32_t platform) {
    static constexpr const char* names[] = {"macos",        "ios",           "tvos",
                                            "watchos",      "bridgeos",      "maccatalyst",
                                            "iossimulator", "tvossimulator", "watchossimulator",
                                            "driverkit",    "visionos",      "visionossimulator"};
    if (platform >= 1 && platform <= std::size(names)) return names[platform - 1];
    return "platform " + std::to_string(platform);
}

/// LC_...; the highest bit, for commands that dyld has to understand, is left out.
enum Command : std::uint32_t {
    segment_32 = 0x01,
    symbol_table = 0x02,
    dynamic_symbol_table = 0x0b,
    load_dylib = 0x0c,
    load_weak_dylib = 0x18,
    segment_64 = 0x19,
    uuid = 0x1b,
    run_path = 0x1c,
    reexport_dylib = 0x1f,
    lazy_load_dylib = 0x20,
    dyld_info = 0x22,
    load_upward_dylib = 0x23,
    version_min_macos = 0x24,
    version_min_ios = 0x25,
    version_min_tvos = 0x2f,
    version_min_watchos = 0x30,
    build_version = 0x32,
    dyld_exports_trie = 0x33,
    dyld_chained_fixups = 0x34,
};

/// S_...
enum SectionType : std::uint32_t {
    non_lazy_pointers = 0x06,
    lazy_pointers = 0x07,
    symbol_stubs = 0x08,
    initializers = 0x09,
    terminators = 0x0a,
    lazy_dylib_pointers = 0x10,
    thread_local_data = 0x11,
    thread_local_zeros = 0x12,
    thread_local_variables = 0x13,
    thread_local_pointers = 0x14,
    thread_local_initializers = 0x15,
    initializer_offsets = 0x16,
};

class MachReader {
public:
    MachReader(const ByteView& view, const Names* also) : file_(view), view_(file_.view) { file_.also = also; }

    Image read() {
        read_header();
        read_commands();
        add_segments();
        read_mach_exports(file_);
        if (image().exports.empty() && file_.also == nullptr)
            return file_.builder.finish();  // no module: nothing will be run
        read_thread_local_block();
        read_constructors();
        if (file_.chained_fixups && file_.dyld_info)
            view_.malformed(0, "it has fixups of both kinds, chained ones and opcodes");
        if (file_.chained_fixups) read_chained_fixups(file_, *file_.chained_fixups);
        if (file_.dyld_info) read_dyld_info(file_, *file_.dyld_info);
        if (!file_.chained_fixups && !file_.dyld_info && file_.has_classic_relocations)
            view_.too_much("its relocations are of the kind that linkers wrote before 2009");
        mark_functions();
        add_other_exports(file_);
        return file_.builder.finish();
    }

private:
    Image& image() { return file_.builder.image; }
    std::uint64_t header_size() const { return view_.wide() ? 32 : 28; }

    void read_header() {
        image().format = Format::macho;
        image().architecture = architecture_of(view_.u32(4, "the header"));
        image().description = view_.wide() ? "Mach-O 64-bit" : "Mach-O 32-bit";
        if (!view_.little()) image().description += " big-endian";
        image().platform = "macos";  // what old linkers, which did not say it, wrote for
        constexpr std::uint32_t object = 1, program = 2, dylib = 6, bundle = 8;
        const auto type = view_.u32(12, "the header");
        if (type == object) view_.unsupported("it is an object file, and no module");
        if (type == program) view_.unsupported("it is a program, and no module");
        if (type != dylib && type != bundle)
            view_.unsupported("it is a Mach-O file of type " + std::to_string(type) + ", and no shared library");
    }

    void read_commands() {
        const auto count = view_.u32(16, "the header");
        const auto size = view_.u32(20, "the header");
        (void)view_.part(header_size(), size, "the load commands");
        const auto end = header_size() + size;
        auto at = header_size();
        for (std::uint32_t i = 0; i < count; ++i) {
            if (end - at < 8)
                view_.malformed(at, "load command " + std::to_string(i) + " of " + std::to_string(count) +
                                        " is not within the load commands");
            const auto length = view_.u32(at + 4, "a load command");
            if (length < 8 || length > end - at)
                view_.malformed(at + 4, "a load command with " + std::to_string(length) + " bytes, where " +
                                            std::to_string(end - at) + " are left");
            read_command(view_.u32(at, "a load command") & 0x7fffffff, at, length);
            at += length;
        }
    }

    void read_command(std::uint32_t command, std::uint64_t at, std::uint32_t length) {
        const auto need = [&](std::uint32_t size) {
            if (length < size)
                view_.malformed(at + 4, "load command " + hex(command) + " has " + std::to_string(length) +
                                            " bytes, and needs " + std::to_string(size));
        };
        const auto field = [&](unsigned offset) { return view_.u32(at + offset, "a load command"); };
        // Loaders do not agree which of two counts.
        for (const std::uint32_t once :
             {symbol_table, dynamic_symbol_table, dyld_info, dyld_exports_trie, dyld_chained_fixups})
            if (command == once && !met_.insert(command).second)
                view_.malformed(at, "a second load command " + hex(command));
        switch (command) {
            case segment_32:
            case segment_64:
                if ((command == segment_64) != view_.wide()) return;  // as dyld does
                need(view_.wide() ? 72 : 56);
                return read_segment(at, length);
            case load_dylib:
            case load_weak_dylib:
            case reexport_dylib:
            case lazy_load_dylib:
            case load_upward_dylib:
                need(24);
                if (field(8) >= length) view_.malformed(at + 8, "the name of a library is not within its load command");
                file_.libraries.push_back(file_.builder.name(at + field(8), "the name of a library", at + length));
                file_.builder.add_library(file_.libraries.back());
                return;
            case run_path:
                need(12);
                if (field(8) >= length) view_.malformed(at + 8, "a run path is not within its load command");
                if (image().library_folders.size() < max_folders)
                    image().library_folders.push_back(file_.builder.name(at + field(8), "a run path", at + length));
                return;
            case symbol_table: {
                need(24);
                MachSymbolTable table;
                table.symbols = field(8);
                table.count = field(12);
                (void)file_.part(table.symbols, table.count * (view_.wide() ? 16 : 12), "the symbol table");
                table.strings = file_.part(field(16), field(20), "the string table");
                file_.symbols = table;
                return;
            }
            case dynamic_symbol_table:
                need(80);
                file_.indirect_symbols =
                    file_.part(field(56), std::uint64_t{field(60)} * 4, "the table of indirect symbols");
                file_.has_classic_relocations = field(68) != 0 || field(76) != 0;
                return;
            case dyld_info: {
                need(48);
                MachDyldInfo info;
                info.rebase = file_.part(field(8), field(12), "the rebase opcodes");
                info.bind = file_.part(field(16), field(20), "the bind opcodes");
                info.weak_bind = file_.part(field(24), field(28), "the weak bind opcodes");
                info.lazy_bind = file_.part(field(32), field(36), "the lazy bind opcodes");
                file_.dyld_info = info;
                file_.exports_trie = file_.part(field(40), field(44), "the export trie");
                return;
            }
            case dyld_exports_trie:
                need(16);
                file_.exports_trie = file_.part(field(8), field(12), "the export trie");
                return;
            case dyld_chained_fixups:
                need(16);
                file_.chained_fixups = file_.part(field(8), field(12), "the chained fixups");
                return;
            case uuid:
                need(24);
                return read_uuid(at);
            case build_version:
                need(24);
                image().platform = platform_name(field(8));
                return;
            case version_min_macos:
                image().platform = "macos";
                return;
            case version_min_ios:
                image().platform = "ios";
                return;
            case version_min_tvos:
                image().platform = "tvos";
                return;
            case version_min_watchos:
                image().platform = "watchos";
                return;
            default:
                return;
        }
    }

    void read_uuid(std::uint64_t at) {
        image().build_id.clear();
        for (const auto byte : view_.part(at + 8, 16, "the UUID")) {
            static constexpr char digits[] = "0123456789abcdef";
            image().build_id += digits[byte >> 4];
            image().build_id += digits[byte & 15];
        }
    }

    /// A name in a field of 16 bytes, which may have no zero.
    std::string_view fixed_name(std::uint64_t at) const {
        const auto field = view_.part(at, 16, "a name");
        const std::string_view name(reinterpret_cast<const char*>(field.data()), field.size());
        return name.substr(0, name.find('\0'));
    }

    void read_segment(std::uint64_t at, std::uint32_t length) {
        const unsigned word = view_.word_size();
        MachSegment segment;
        segment.command = at;
        segment.name = fixed_name(at + 8);
        segment.address = view_.word(at + 24, "a segment");
        segment.size = view_.word(at + 24 + word, "a segment");
        segment.file_offset = view_.word(at + 24 + 2 * word, "a segment");
        segment.file_size = view_.word(at + 24 + 3 * word, "a segment");
        const auto rest = at + 24 + 4 * word;
        const auto protection = view_.u32(rest + 4, "a segment");
        const auto count = view_.u32(rest + 8, "a segment");
        const auto flags = view_.u32(rest + 12, "a segment");
        constexpr std::uint32_t writable = 2, executable = 4, read_only_after_fixups = 0x10;
        segment.writable = (protection & writable) != 0;
        segment.executable = (protection & executable) != 0;
        segment.relro = (flags & read_only_after_fixups) != 0 || segment.name == "__DATA_CONST";
        if (segment.file_size > segment.size && segment.size != 0)
            view_.malformed(at, "the segment " + quoted(segment.name) + " has " + hex(segment.file_size) +
                                    " bytes in the file and " + hex(segment.size) + " in memory");
        (void)view_.part(segment.file_offset, segment.file_size, "the content of a segment");
        const unsigned section_size = view_.wide() ? 80 : 68;
        const auto room = at + length - (rest + 16);
        if (count > room / section_size)
            view_.malformed(rest + 8, "the segment " + quoted(segment.name) + " has " + std::to_string(count) +
                                          " sections, with room for " + std::to_string(room / section_size));
        for (std::uint32_t i = 0; i < count; ++i)
            segment.sections.push_back(read_section(rest + 16 + std::uint64_t{i} * section_size));
        if (segment.file_offset == 0 && segment.file_size != 0) file_.base = segment.address;
        file_.segments.push_back(std::move(segment));
    }

    MachSection read_section(std::uint64_t at) const {
        const unsigned word = view_.word_size();
        MachSection section;
        section.name = fixed_name(at);
        section.address = view_.word(at + 32, "a section");
        section.size = view_.word(at + 32 + word, "a section");
        const auto rest = at + 32 + 2 * word;
        section.offset = view_.u32(rest, "a section");
        section.alignment = 1ull << std::min(view_.u32(rest + 4, "a section"), 31u);
        section.type = view_.u32(rest + 16, "a section") & 0xff;
        section.first_indirect = view_.u32(rest + 20, "a section");
        section.stub_size = view_.u32(rest + 24, "a section");
        return section;
    }

    void add_segments() {
        for (const MachSegment& from : file_.segments) {
            if (from.name == "__PAGEZERO" || from.name == "__LINKEDIT" || from.size == 0) continue;
            Segment segment;
            segment.address = from.address;
            segment.size = from.size;
            segment.data = view_.part(from.file_offset, from.file_size, "the content of a segment");
            segment.writable = from.writable;
            segment.executable = from.executable;
            segment.relro = from.relro;
            file_.builder.add_segment(segment, from.command);
            if (from.writable && !from.relro) image().writable_globals += writable_globals(from);
        }
        file_.builder.finish_segments();
    }

    /// Sections and not the segment, which is rounded up to pages. Pointers that dyld fills in and templates of
    /// thread-local variables are no globals, and __const is constant.
    static std::uint64_t writable_globals(const MachSegment& segment) {
        std::uint64_t sum = 0;
        for (const MachSection& section : segment.sections) {
            switch (section.type) {
                case non_lazy_pointers:
                case lazy_pointers:
                case initializers:
                case terminators:
                case lazy_dylib_pointers:
                case thread_local_data:
                case thread_local_zeros:
                case thread_local_variables:
                case thread_local_pointers:
                case thread_local_initializers:
                    break;
                default:
                    if (section.name != "__const") sum += std::min(section.size, segment.size);
            }
        }
        return std::min(sum, segment.size);
    }

    /// From the first to the last section with thread-local data, as dyld copies it.
    void read_thread_local_block() {
        std::uint64_t first = ~0ull, last = 0, last_data = 0, at = 0;
        for (const MachSegment& segment : file_.segments)
            for (const MachSection& section : segment.sections) {
                if (section.type != thread_local_data && section.type != thread_local_zeros) continue;
                if (section.size == 0) continue;
                at = segment.command;
                if (file_.builder.segment_with(section.address, section.size) == nullptr)
                    view_.malformed(at, "the section " + quoted(section.name) + " is not within a segment");
                first = std::min(first, section.address);
                last = std::max(last, section.address + section.size);
                if (section.type == thread_local_data) last_data = std::max(last_data, section.address + section.size);
                // dyld takes the block from malloc(): no more than a page is of any use to a file.
                image().tls_alignment =
                    std::max(image().tls_alignment, std::min<std::uint64_t>(section.alignment, 4096));
            }
        if (last == 0) return;
        if (file_.builder.segment_with(first, last - first) == nullptr)
            view_.malformed(
                at, "the thread-local data from " + hex(first) + " to " + hex(last) + " is not within one segment");
        image().tls_size = last - first;
        if (last_data > first) image().tls_data = image().bytes_at(first, last_data - first);
    }

    /// Pointers, or offsets from the header of the image.
    void read_constructors() {
        const std::uint64_t header = image().segments.empty() ? 0 : image().segments.front().address;
        for (const MachSegment& segment : file_.segments)
            for (const MachSection& section : segment.sections) {
                if (section.type == initializers && section.size != 0 && image().constructor_table_size != 0)
                    view_.too_much("it has several sections with functions that run when it is loaded");
                if (section.type == initializers) {
                    image().constructor_table = section.address;
                    image().constructor_table_size = section.size;
                } else if (section.type == initializer_offsets) {
                    const Bytes bytes = image().bytes_at(section.address, section.size);
                    for (std::size_t i = 0; i + 4 <= bytes.size() && image().constructors.size() < 4096; i += 4) {
                        std::uint32_t offset = 0;
                        for (unsigned k = 0; k < 4; ++k)
                            offset |= std::uint32_t{bytes[i + (view_.little() ? k : 3 - k)]} << (8 * k);
                        image().constructors.push_back(header + offset);
                    }
                }
            }
    }

    /// Imports with a stub are functions. The indirect symbol table says which they are.
    void mark_functions() {
        if (!file_.symbols || !file_.indirect_symbols) return;
        std::unordered_set<std::string_view> stubs;
        for (const MachSegment& segment : file_.segments)
            for (const MachSection& section : segment.sections)
                if (section.type == symbol_stubs && section.stub_size != 0) read_stubs(section, segment.command, stubs);
        for (Import& import : image().imports)
            if (stubs.contains(import.name)) import.function = true;
    }

    void read_stubs(const MachSection& section, std::uint64_t at, std::unordered_set<std::string_view>& stubs) {
        const auto count = section.size / section.stub_size;
        const auto known = file_.indirect_symbols->size / 4;
        if (section.first_indirect > known || count > known - section.first_indirect)
            view_.malformed(at,
                            "the section " + quoted(section.name) + " has more stubs than there are indirect symbols");
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto entry = file_.indirect_symbols->offset + 4 * (section.first_indirect + i);
            const auto symbol = view_.u32(entry, "an indirect symbol");
            constexpr std::uint32_t no_symbol = 0xc0000000;  // local or absolute
            if ((symbol & no_symbol) != 0) continue;
            if (symbol >= file_.symbols->count)
                view_.malformed(entry, "symbol " + std::to_string(symbol) + " does not exist: there are " +
                                           std::to_string(file_.symbols->count));
            const auto& strings = file_.symbols->strings;
            const auto name =
                view_.u32(file_.symbols->symbols + symbol * std::uint64_t{view_.wide() ? 16u : 12u}, "a symbol");
            stubs.insert(
                without_underscore(file_.builder.name(strings.offset + name, "the name of a symbol", strings.end())));
        }
    }

    MachFile file_;
    const ByteView& view_;
    std::set<std::uint32_t> met_;  ///< load commands that there can be one of
};

Image read_thin(Bytes file, const std::string& name, const Names* also) {
    const ByteView big(file, name, false, false), little(file, name, false, true);
    for (const ByteView& view : {big, little}) {
        const auto magic = view.u32(0, "the magic number");
        if (magic == magic_32 || magic == magic_64)
            return MachReader(view.with_layout(magic == magic_64, view.little()), also).read();
    }
    if (file.size() >= 8 && std::equal(file.begin(), file.begin() + 8, "!<arch>\n"))
        big.unsupported("it is a static library, and no module");
    big.malformed(0, "it does not start with the magic number of a Mach-O file");
}

std::vector<Image> read_fat(const ByteView& view, const std::string& name, const Names* also) {
    const bool wide = view.u32(0, "the magic number") == fat_magic_64;
    const auto count = view.u32(4, "the number of slices");
    // Java classes have the same magic number; then their version follows, and that is 45 or more.
    constexpr std::uint32_t oldest_java = 45;
    if (!wide && (count & 0xffff) >= oldest_java) view.unsupported("it is a Java class, and no library");
    if (count == 0) view.malformed(4, "it has no slices");
    if (count >= oldest_java) view.malformed(4, "it has " + std::to_string(count) + " slices");

    struct Slice {
        std::uint64_t entry, offset, size;
        std::uint32_t cpu;
    };
    std::vector<Slice> slices;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto at = 8 + i * std::uint64_t{wide ? 32u : 20u};
        Slice slice{at, 0, 0, view.u32(at, "a slice")};
        slice.offset = wide ? view.u64(at + 8, "a slice") : view.u32(at + 8, "a slice");
        slice.size = wide ? view.u64(at + 16, "a slice") : view.u32(at + 12, "a slice");
        (void)view.part(slice.offset, slice.size, "a slice");
        for (const Slice& other : slices)
            if (slice.offset < other.offset + other.size && other.offset < slice.offset + slice.size)
                view.malformed(at, "two slices overlap");
        slices.push_back(slice);
    }
    std::vector<Image> images;
    for (const Slice& slice : slices) {
        const std::string architecture(architecture_name(architecture_of(slice.cpu)));
        images.push_back(
            read_thin(view.part(slice.offset, slice.size, "a slice"), name + " (" + architecture + ")", also));
        if (images.back().architecture != architecture_of(slice.cpu))
            view.malformed(slice.entry, "the slice for " + architecture + " is one for " +
                                            std::string(architecture_name(images.back().architecture)));
    }
    return images;
}

}  // namespace

Result<std::vector<Image>> read_macho(Bytes file, const std::string& name, const Names* also) {
    try {
        const ByteView view(file, name, false, false);
        const auto magic = view.u32(0, "the magic number");
        if (magic == fat_magic || magic == fat_magic_64) return read_fat(view, name, also);
        std::vector<Image> images;
        images.push_back(read_thin(file, name, also));
        return images;
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock::auditing::image
