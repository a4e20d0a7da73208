// macho_test.cpp: Mach-O files beyond those of the fixtures: fat files and what only looks like one, other CPUs and
// platforms, load commands and segments that are wrong, each with the exact offset and reason.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_macho
#include <functional>

#include <boost/test/unit_test.hpp>

#include "macho_checks.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using interlock::test::append;
using interlock::test::ChainedTable;
using interlock::test::check_malformed;
using interlock::test::check_too_much;
using interlock::test::check_unsupported;
using interlock::test::MachBuilder;
using interlock::test::module_trie;
using interlock::test::put;
using interlock::test::read;
using File = interlock::test::Image;

namespace {

MachBuilder module_builder() {
    MachBuilder builder;
    builder.trie = module_trie();
    ChainedTable table;
    table.page_start = 0xffff;
    builder.chained = table.build();
    return builder;
}

struct Slice {
    std::uint32_t cpu;
    std::uint64_t offset;
    File content;
};

File fat_file(const std::vector<Slice>& slices, bool wide = false) {
    File file;
    append(file, wide ? 0xcafebabf : 0xcafebabe, 4, false);
    append(file, slices.size(), 4, false);
    for (const auto& slice : slices) {
        append(file, slice.cpu, 4, false);
        append(file, 0, 4, false);
        append(file, slice.offset, wide ? 8 : 4, false);
        append(file, slice.content.size(), wide ? 8 : 4, false);
        append(file, 12, wide ? 8 : 4, false);
    }
    for (const auto& slice : slices) {
        if (file.size() < slice.offset + slice.content.size()) file.resize(slice.offset + slice.content.size());
        std::copy(slice.content.begin(), slice.content.end(), file.begin() + static_cast<std::ptrdiff_t>(slice.offset));
    }
    return file;
}

constexpr std::uint32_t x86_64 = 0x01000007, arm64 = 0x0100000c;

}  // namespace

BOOST_AUTO_TEST_CASE(the_builder_makes_what_is_read) {
    auto builder = module_builder();
    const auto file = builder.build();
    const Image image = read(file);
    BOOST_TEST(architecture_name(image.architecture) == "aarch64");
    BOOST_REQUIRE_EQUAL(image.exports.size(), 1u);
    BOOST_TEST(image.exports[0].name == "PyInit_x");
    BOOST_TEST(image.exports[0].address == 0x800u);
    BOOST_REQUIRE_EQUAL(image.segments.size(), 2u);
    BOOST_TEST(image.segments[0].executable);
    BOOST_TEST(!image.segments[0].writable);
    BOOST_TEST(image.segments[1].writable);
    BOOST_TEST(!image.segments[1].executable);
    BOOST_REQUIRE_EQUAL(image.libraries.size(), 1u);
    BOOST_TEST(image.libraries[0] == "/usr/lib/libSystem.B.dylib");
}

// ---- fat files ----------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(fat_files) {
    auto arm = module_builder(), intel = module_builder();
    intel.cpu = x86_64;
    for (const bool wide : {false, true}) {
        const auto file = fat_file({{x86_64, 0x1000, intel.build()}, {arm64, 0x4000, arm.build()}}, wide);
        const auto images = read_images(file, "file");
        BOOST_REQUIRE_MESSAGE(images.ok(), test::why(images));
        BOOST_REQUIRE_EQUAL(images->size(), 2u);
        BOOST_TEST(architecture_name((*images)[0].architecture) == "x86_64");
        BOOST_TEST(architecture_name((*images)[1].architecture) == "aarch64");
    }
}

BOOST_AUTO_TEST_CASE(java_classes_are_none) {
    // Minor version 0, major version 52: Java 8. The same numbers as those of a fat file.
    check_unsupported({0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 0, 1}, "it is a Java class, and no library");
    check_unsupported({0xca, 0xfe, 0xba, 0xbe, 0, 3, 0, 45, 0, 1}, "it is a Java class, and no library");
    check_malformed({0xca, 0xfe, 0xba, 0xbf, 0, 0, 0, 52, 0, 1}, 4, "it has 52 slices");
}

BOOST_AUTO_TEST_CASE(damaged_fat_files) {
    auto builder = module_builder();
    const auto thin = builder.build();
    check_malformed(fat_file({}), 4, "it has no slices");
    check_malformed({0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2}, 8, "a slice is not within the file");
    check_malformed(fat_file({{arm64, 0x1000, thin}, {x86_64, 0x2000, thin}}), 28, "two slices overlap");
    auto cut = fat_file({{arm64, 0x1000, thin}});
    cut.resize(0x1800);
    check_malformed(cut, 0x1000, "a slice is not within the file");
    check_malformed(fat_file({{x86_64, 0x1000, thin}}), 8, "the slice for x86_64 is one for aarch64");
    auto huge = fat_file({{arm64, 0x1000, thin}}, true);
    put(huge, 16, ~0ull, 8, false);
    check_malformed(huge, ~0ull, "a slice is not within the file");

    const auto images = read_macho(fat_file({{arm64, 0x1000, File(100, 'x')}}), "file");
    BOOST_REQUIRE(!images.ok());
    BOOST_TEST(images.error().message.starts_with("'file (aarch64)' is not a usable shared library"));
    File archive(100, ' ');
    std::copy_n("!<arch>\n", 8, archive.begin());
    const auto library = read_macho(fat_file({{arm64, 0x1000, archive}}), "file");
    BOOST_REQUIRE(!library.ok());
    BOOST_TEST(library.error().message == "'file (aarch64)' cannot be read: it is a static library, and no module");
}

// ---- kinds --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(only_shared_libraries) {
    auto builder = module_builder();
    for (const auto& [type, reason] : {std::pair{1u, "it is an object file, and no module"},
                                       {2u, "it is a program, and no module"},
                                       {10u, "it is a Mach-O file of type 10, and no shared library"}}) {
        builder.type = type;
        check_unsupported(builder.build(), reason);
    }
}

BOOST_AUTO_TEST_CASE(architectures) {
    auto builder = module_builder();
    for (const auto& [cpu, name] : {std::pair{x86_64, "x86_64"}, {0x01000012u, "ppc64"}, {0x02000000u, "other"}}) {
        builder.cpu = cpu;
        BOOST_TEST(architecture_name(read(builder.build()).architecture) == name);
    }
    MachBuilder narrow;
    narrow.wide = false;
    narrow.has_info = true;
    narrow.trie = module_trie();
    for (const auto& [cpu, name] : {std::pair{7u, "i386"}, {12u, "arm"}}) {
        narrow.cpu = cpu;
        const Image image = read(narrow.build());
        BOOST_TEST(architecture_name(image.architecture) == name);
        BOOST_TEST(image.description == "Mach-O 32-bit");
        BOOST_TEST(!image.wide);
    }
    narrow.little = false;
    narrow.cpu = 18;
    const Image power = read(narrow.build());
    BOOST_TEST(power.description == "Mach-O 32-bit big-endian");
    BOOST_TEST(!power.little);
    BOOST_TEST(power.exports.size() == 1u);
}

BOOST_AUTO_TEST_CASE(platforms) {
    const auto platform = [](std::uint32_t command, unsigned size, std::uint32_t value) {
        auto builder = module_builder();
        File content;
        append(content, command, 4);
        append(content, size, 4);
        append(content, value, 4);
        content.resize(size);
        builder.more_commands = {content};
        return read(builder.build()).platform;
    };
    BOOST_TEST(platform(0x32, 24, 1) == "macos");
    BOOST_TEST(platform(0x32, 24, 2) == "ios");
    BOOST_TEST(platform(0x32, 24, 12) == "visionossimulator");
    BOOST_TEST(platform(0x32, 24, 0) == "platform 0");
    BOOST_TEST(platform(0x32, 24, 99) == "platform 99");
    BOOST_TEST(platform(0x24, 16, 0) == "macos");
    BOOST_TEST(platform(0x25, 16, 0) == "ios");
    BOOST_TEST(platform(0x2f, 16, 0) == "tvos");
    BOOST_TEST(platform(0x30, 16, 0) == "watchos");
    auto builder = module_builder();
    BOOST_TEST(read(builder.build()).platform == "macos");
}

// ---- load commands and segments -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(damaged_load_commands) {
    auto builder = module_builder();
    const auto right = builder.build();
    const auto changed = [&](std::size_t offset, std::uint64_t value, unsigned size) {
        auto file = right;
        put(file, offset, value, size);
        return file;
    };
    const auto commands = test::get(right, 16, 4), commands_size = test::get(right, 20, 4);
    check_malformed({0xcf, 0xfa, 0xed, 0xfe}, 4, "the header is not within the file");
    check_malformed(changed(20, 0x7fffffff, 4), 32, "the load commands is not within the file");
    check_malformed(changed(16, commands + 1, 4), 32 + commands_size,
                    "load command " + std::to_string(commands) + " of " + std::to_string(commands + 1) +
                        " is not within the load commands");
    check_malformed(changed(16, 0xffffffff, 4), 32 + commands_size,
                    "load command " + std::to_string(commands) + " of 4294967295 is not within the load commands");
    for (const auto size : {0ull, 7ull})
        check_malformed(changed(builder.data_command + 4, size, 4), builder.data_command + 4,
                        "a load command with " + std::to_string(size) + " bytes, where " +
                            std::to_string(32 + commands_size - builder.data_command) + " are left");
    check_malformed(changed(builder.data_command + 4, 64, 4), builder.data_command + 4,
                    "load command 0x19 has 64 bytes, and needs 72");
    const auto library = builder.linkedit_command + 72;
    check_malformed(changed(library + 8, 5000, 4), library + 8, "the name of a library is not within its load command");
    auto endless = right;
    for (auto at = library + 24; at < library + test::get(right, library + 4, 4); ++at) endless[at] = 'x';
    check_malformed(endless, library + 24, "the name of a library has no end");
}

BOOST_AUTO_TEST_CASE(damaged_segments) {
    auto builder = module_builder();
    const auto right = builder.build();
    const auto data = builder.data_command;
    const auto changed = [&](std::size_t offset, std::uint64_t value, unsigned size) {
        auto file = right;
        put(file, offset, value, size);
        return file;
    };
    check_malformed(changed(data + 24, 0xff8, 8), data, "the segment at address 0xff8 overlaps the one at address 0x0");
    check_malformed(
        changed(data + 24, 0xfffffffffffffff0, 8), data,
        "the segment at address 0xfffffffffffffff0 with 0x1000 bytes goes beyond the end of the address space");
    check_malformed(changed(data + 32, 0xfff, 8), data,
                    "the segment '__DATA' has 0x1000 bytes in the file and 0xfff in memory");
    check_malformed(changed(data + 40, 0xffffffffffffffff, 8), 0xffffffffffffffff,
                    "the content of a segment is not within the file");
    check_malformed(changed(data + 64, 0xffffffff, 4), data + 64,
                    "the segment '__DATA' has 4294967295 sections, with room for 0");
}

BOOST_AUTO_TEST_CASE(libraries_keep_their_numbers) {
    auto builder = module_builder();
    builder.libraries = {"a", "b", "a", "c"};
    const Image image = read(builder.build());
    const std::vector<std::string_view> once = {"a", "b", "c"};
    BOOST_TEST(image.libraries == once, boost::test_tools::per_element());

    builder.chained = ChainedTable{.imports = {{"_f", 4}, {"_g", 3}}}.build();
    builder.data[0] = 1ull << 63 | 2ull << 51;
    builder.data[8] = 1ull << 63 | 1;
    const Image bound = read(builder.build());
    BOOST_REQUIRE_EQUAL(bound.imports.size(), 2u);
    BOOST_TEST(bound.imports[0].library == "c");
    BOOST_TEST(bound.imports[1].library == "a");
}

BOOST_AUTO_TEST_CASE(symbol_table_instead_of_a_trie) {
    MachBuilder builder;
    // Symbols and strings lie in the free end of __TEXT.
    constexpr std::uint64_t symbols = 0xa00, strings = 0xb00;
    const auto symtab = [&](std::uint64_t count) {
        File command;
        for (const std::uint64_t value : {2ull, 24ull, 0ull + symbols, 0ull + count, 0ull + strings, 0x80ull})
            append(command, value, 4);
        return command;
    };
    const auto with_symbols = [&](std::uint64_t count) {
        builder.more_commands = {symtab(count)};
        auto file = builder.build();
        const auto symbol = [&](unsigned index, std::uint32_t name, std::uint8_t type, std::uint64_t value) {
            put(file, symbols + 16 * index, name, 4);
            put(file, symbols + 16 * index + 4, type, 1);
            put(file, symbols + 16 * index + 8, value, 8);
        };
        File names = {0};
        append(names, "_PyInit_a");  // at 1
        append(names, "_PyInit_b");  // at 11
        append(names, "_PyInit_c");  // at 21
        append(names, "_helper");    // at 31
        std::copy(names.begin(), names.end(), file.begin() + strings);
        symbol(0, 1, 0x0f, 0x800);   // external, in a section
        symbol(1, 11, 0x0e, 0x810);  // local
        symbol(2, 21, 0x01, 0);      // undefined
        symbol(3, 31, 0x0f, 0x820);  // external, no entry point
        return file;
    };
    const Image image = read(with_symbols(4));
    BOOST_REQUIRE_EQUAL(image.exports.size(), 1u);
    BOOST_TEST(image.exports[0].name == "PyInit_a");
    BOOST_TEST(image.exports[0].address == 0x800u);

    check_malformed(with_symbols(0x7fffffff), symbols, "the symbol table is not within the file");
    auto wrong = with_symbols(4);
    put(wrong, symbols, 0x80, 4);
    check_malformed(wrong, strings + 0x80, "the name of a symbol is not within the file");
    wrong = with_symbols(4);
    put(wrong, symbols + 8, 0x123456, 8);
    check_malformed(wrong, symbols, "the address 0x123456 of the export 'PyInit_a' is not within a segment");
}

BOOST_AUTO_TEST_CASE(relocations_of_old_linkers) {
    MachBuilder builder;
    builder.trie = module_trie();
    File command;
    for (unsigned i = 0; i < 20; ++i) append(command, i == 0 ? 0xb : i == 1 ? 80 : i == 17 ? 3 : 0, 4);
    builder.more_commands = {command};
    check_too_much(builder.build(), "its relocations are of the kind that linkers wrote before 2009");
}

// Loaders take the one or the other.
BOOST_AUTO_TEST_CASE(load_commands_that_are_there_twice) {
    MachBuilder builder;
    builder.trie = module_trie();
    File again;
    for (const std::uint32_t field : {0x80000033u, 16u, 0u, 0u}) append(again, field, 4);
    builder.more_commands = {again};
    const auto images = auditing::image::read_macho(builder.build(), "file");
    BOOST_REQUIRE(!images.ok());
    BOOST_TEST(images.error().message.find("a second load command 0x33") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(fixups_of_both_kinds) {
    MachBuilder builder;
    builder.trie = module_trie();
    builder.chained = test::ChainedTable{}.build();
    builder.has_info = true;
    const auto images = auditing::image::read_macho(builder.build(), "file");
    BOOST_REQUIRE(!images.ok());
    BOOST_TEST(images.error().message.find("fixups of both kinds") != std::string::npos);
}
