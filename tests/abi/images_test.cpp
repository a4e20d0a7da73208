// images_test.cpp: the marker reader on right images that are built here: every class, byte order and hash table, and
// what may stand in a file beside the marker.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE images
#include <algorithm>
#include <bit>
#include <boost/test/unit_test.hpp>

#include <interlock/marker.hpp>

#include "sample_image.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

Result<ModuleFile> read(const Image& image, ReadDepth depth = ReadDepth::entry_points) {
    return read_module_image(image, "lib.so", depth);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_class_and_byte_order) {
    for (const bool wide : {false, true}) {
        for (const bool little : {false, true}) {
            for (const auto hash : {HashTable::sysv, HashTable::gnu, HashTable::both}) {
                auto builder = sample(wide, little);
                builder.hash = hash;
                const auto image = builder.build();
                const auto file = read(image);
                BOOST_TEST_CONTEXT("wide " << wide << " little " << little << " hash " << int(hash)) {
                    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
                    BOOST_REQUIRE(file->markers.size() == 1u);
                    BOOST_TEST(file->markers[0].module == "pkg.one");
                    BOOST_TEST(file->markers[0].version == "2.3");
                    BOOST_TEST((file->markers[0].threading == ThreadingLevel::module_lock));
                    BOOST_TEST(file->markers[0].offset == builder.notes_at[0] + 12 + 4 + 4);
                    BOOST_TEST(file->build_id == "0123abff");
                    BOOST_TEST(file->machine == unsigned(EM_X86_64));
                    BOOST_TEST(file->identity.size == image.size());
                    BOOST_TEST(file->path == "lib.so");
                    BOOST_TEST(file->exports == std::vector<std::string>{"one"}, boost::test_tools::per_element());
                    BOOST_TEST(file->legacy_inits == std::vector<std::string>{"old"}, boost::test_tools::per_element());
                    BOOST_TEST((file->marker_for("pkg.one") == &file->markers[0]));
                    BOOST_TEST((file->marker_for("one") == nullptr));
                    BOOST_TEST((file->marker_for("") == nullptr));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(native_means_class_and_order_and_machine) {
    constexpr bool wide = sizeof(void*) == 8;
    constexpr bool little = std::endian::native == std::endian::little;
#if defined(__x86_64__)
    constexpr std::uint16_t own = EM_X86_64;
    constexpr std::uint16_t foreign = EM_AARCH64;
#elif defined(__aarch64__)
    constexpr std::uint16_t own = EM_AARCH64;
    constexpr std::uint16_t foreign = EM_X86_64;
#else
#error "add the ELF machine number of this architecture to the test"
#endif
    struct {
        bool wide, little;
        std::uint16_t machine;
        bool native;
    } const rows[] = {{wide, little, own, true},
                      {!wide, little, own, false},
                      {wide, !little, own, false},
                      {wide, little, foreign, false}};
    for (const auto& row : rows) {
        auto builder = sample(row.wide, row.little);
        builder.machine = row.machine;
        const auto file = read(builder.build());
        BOOST_REQUIRE(file.ok());
        BOOST_TEST(file->native == row.native);
        BOOST_TEST(file->machine == row.machine);
    }
}

BOOST_AUTO_TEST_CASE(markers_only_leaves_the_symbols_alone) {
    auto builder = sample();
    auto image = builder.build();
    builder.patch(image, builder.dynamic_value_at(0), 0xdead0000, 8);
    const auto file = read(image, ReadDepth::markers);
    BOOST_REQUIRE(file.ok());
    BOOST_TEST(file->markers.size() == 1u);
    BOOST_TEST(file->exports.empty());
    BOOST_TEST(!read(image, ReadDepth::entry_points).ok());
}

BOOST_AUTO_TEST_CASE(a_library_without_anything_is_fine) {
    ElfBuilder builder;
    builder.hash = HashTable::none;
    const auto file = read(builder.build());
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->markers.empty());
    BOOST_TEST(file->build_id.empty());
    BOOST_TEST(file->exports.empty());
    BOOST_TEST(file->legacy_inits.empty());
}

BOOST_AUTO_TEST_CASE(a_library_with_an_empty_symbol_table_is_fine) {
    for (const auto hash : {HashTable::sysv, HashTable::gnu}) {
        ElfBuilder builder;
        builder.hash = hash;
        const auto file = read(builder.build());
        BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
        BOOST_TEST(file->exports.empty());
    }
}

BOOST_AUTO_TEST_CASE(several_markers_come_in_file_order) {
    ElfBuilder builder;
    builder.note_segments = {{marker_note(sample_json)}, {marker_note(other_json)}};
    auto image = builder.build();
    // Exchange the two program headers: the order in the file stays what counts.
    const auto a = static_cast<std::ptrdiff_t>(builder.note_header_at(0));
    const auto b = static_cast<std::ptrdiff_t>(builder.note_header_at(1));
    std::swap_ranges(image.begin() + a, image.begin() + b, image.begin() + b);
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_REQUIRE(file->markers.size() == 2u);
    BOOST_TEST(file->markers[0].module == "pkg.one");
    BOOST_TEST(file->markers[1].module == "pkg.two");
    BOOST_TEST(file->markers[0].offset < file->markers[1].offset);
    BOOST_TEST((file->marker_for("pkg.two") == &file->markers[1]));
}

BOOST_AUTO_TEST_CASE(one_note_in_two_segments_is_one_marker) {
    ElfBuilder builder;
    builder.note_segments = {{marker_note(sample_json)}, {marker_note(other_json)}};
    auto image = builder.build();
    const auto a = static_cast<std::ptrdiff_t>(builder.note_header_at(0));
    std::copy_n(image.begin() + a, builder.segment_size,
                image.begin() + static_cast<std::ptrdiff_t>(builder.note_header_at(1)));
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->markers.size() == 1u);
}

BOOST_AUTO_TEST_CASE(foreign_notes_are_skipped) {
    NoteSpec property;  // as in .note.gnu.property: the one kind that is padded to 8
    property.owner.assign("GNU", 4);
    property.type = 5;
    property.description = std::string(12, '\x02');
    NoteSpec odd;
    odd.owner = "X";
    odd.description = "abc";
    NoteSpec nameless;
    nameless.owner.clear();
    nameless.type = 0;
    NoteSpec similar = marker_note("no JSON");
    similar.owner.assign("Interlocks", 11);
    NoteSpec shorter = marker_note("no JSON");
    shorter.owner.assign("Interloc", 9);
    NoteSpec lower = marker_note("no JSON");
    lower.owner.assign("interlock", 10);

    ElfBuilder builder;
    builder.note_segments = {{property, property, odd},
                             {odd, nameless, similar, shorter, lower, marker_note(sample_json)}};
    builder.note_alignments = {8, 4};
    const auto file = read(builder.build());
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->markers.size() == 1u);
    BOOST_TEST(file->build_id.empty());
}

BOOST_AUTO_TEST_CASE(a_marker_in_an_8_byte_segment_is_found) {
    ElfBuilder builder;
    builder.note_segments = {{marker_note(sample_json), marker_note(other_json)}};
    builder.note_alignments = {8};
    const auto file = read(builder.build());
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->markers.size() == 2u);
}

// Compilers align large objects to 16 or 32 bytes when the author of a note forgets the attribute; notes are still
// padded to 4 then.
BOOST_AUTO_TEST_CASE(other_alignments_mean_4) {
    for (const std::uint64_t alignment : {0, 1, 2, 16, 32}) {
        ElfBuilder builder;
        builder.note_segments = {{marker_note(sample_json), marker_note(other_json)}};
        builder.note_alignments = {alignment};
        const auto file = read(builder.build());
        BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
        BOOST_TEST(file->markers.size() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(zeros_behind_the_last_note_are_padding) {
    auto builder = sample();
    auto image = builder.build();
    // The next structure is aligned to 8 and starts with zeros (symbol 0), so the segment can be made larger.
    builder.patch(image, builder.note_header_at(0) + builder.p_filesz(), builder.note_segment_sizes[0] + 4, 8);
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->markers.size() == 1u);
}

BOOST_AUTO_TEST_CASE(only_what_dlsym_would_call_is_an_entry_point) {
    auto named = [](const char* suffix, int binding, int type, int visibility, std::uint16_t section) {
        return SymbolSpec{std::string("il_module_export_") + suffix, static_cast<std::uint8_t>(binding << 4 | type),
                          static_cast<std::uint8_t>(visibility), section};
    };
    ElfBuilder builder;
    builder.symbols = {named("z", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 1),
                       named("weak", STB_WEAK, STT_FUNC, STV_PROTECTED, 1),
                       named("absolute", STB_GLOBAL, STT_NOTYPE, STV_DEFAULT, SHN_ABS),
                       named("indirect", STB_GLOBAL, STT_GNU_IFUNC, STV_DEFAULT, 1),
                       named("z", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 2),  // a second symbol version
                       named("", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 1),
                       named("undefined", STB_GLOBAL, STT_FUNC, STV_DEFAULT, SHN_UNDEF),
                       named("local", STB_LOCAL, STT_FUNC, STV_DEFAULT, 1),
                       named("object", STB_GLOBAL, STT_OBJECT, STV_DEFAULT, 1),
                       named("tls", STB_GLOBAL, STT_TLS, STV_DEFAULT, 1),
                       named("hidden", STB_GLOBAL, STT_FUNC, STV_HIDDEN, 1),
                       named("internal", STB_GLOBAL, STT_FUNC, STV_INTERNAL, 1),
                       {.name = "il_module_export_not_code", .offset = 0x100000},
                       {"xil_module_export_a"},
                       {"il_module_init_b"},
                       {"il_module_init_a"},
                       {"il_module_exports"}};
    for (const auto hash : {HashTable::sysv, HashTable::gnu}) {
        builder.hash = hash;
        const auto file = read(builder.build());
        BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
        const std::vector<std::string> exports{"indirect", "weak", "z"};
        const std::vector<std::string> inits{"a", "b"};
        BOOST_TEST(file->exports == exports, boost::test_tools::per_element());
        BOOST_TEST(file->legacy_inits == inits, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(symbols_are_found_beyond_one_piece) {
    for (const auto hash : {HashTable::sysv, HashTable::gnu}) {
        ElfBuilder builder;
        builder.hash = hash;
        for (int i = 0; i < 9000; ++i) builder.symbols.push_back({std::string("f").append(std::to_string(i))});
        builder.symbols.push_back({"il_module_export_last"});
        const auto file = read(builder.build());
        BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
        BOOST_TEST(file->exports == std::vector<std::string>{"last"}, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(the_64_bit_hash_table_of_s390x) {
    auto builder = sample(true, false);
    builder.machine = EM_S390;
    builder.hash = HashTable::sysv;
    const auto file = read(builder.build());
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->exports == std::vector<std::string>{"one"}, boost::test_tools::per_element());
}

// Not every linker writes it.
BOOST_AUTO_TEST_CASE(the_32_bit_hash_table_of_s390x) {
    auto builder = sample(true, false);
    builder.hash = HashTable::sysv;
    auto image = builder.build();
    builder.patch(image, offsetof(Elf64_Ehdr, e_machine), EM_S390, 2);
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->exports == std::vector<std::string>{"one"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_gnu_table_is_what_counts_if_both_are_there) {
    auto builder = sample();
    builder.hash = HashTable::both;
    auto image = builder.build();
    builder.patch(image, builder.sysv_hash_at + 4, 0xffffffff, 4);
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_TEST(file->exports.size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_a_library_is_linked_to) {
    for (const bool wide : {false, true}) {
        auto builder = sample(wide);
        builder.dynamic_texts = {{DT_NEEDED, "libone.so.1"},  {DT_RPATH, "not this"},
                                 {DT_RPATH, "/opt/lib"},      {DT_AUXILIARY, "libaux.so"},
                                 {DT_FILTER, "/x/filter.so"}, {DT_SONAME, "lib.so.3"},
                                 {DT_RUNPATH, "$ORIGIN:/b"},  {DT_NEEDED, ""}};
        for (const ReadDepth depth : {ReadDepth::markers, ReadDepth::entry_points}) {
            const auto file = read(builder.build(), depth);
            BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
            const std::vector<std::string> needed{"libone.so.1", "libaux.so", "/x/filter.so", ""};
            BOOST_TEST(file->linkage.needed == needed, boost::test_tools::per_element());
            BOOST_TEST(file->linkage.soname == "lib.so.3");
            BOOST_TEST(file->linkage.rpath == "/opt/lib");
            BOOST_TEST(file->linkage.runpath == "$ORIGIN:/b");
            BOOST_TEST(!file->linkage.no_default_folders);
        }
    }
}

// ld.so does not ask how large the segment says it is.
BOOST_AUTO_TEST_CASE(dynamic_entries_beyond_the_stated_end_count) {
    auto builder = sample();
    builder.dynamic_texts = {{DT_NEEDED, "libseen.so"}, {DT_NEEDED, "libhidden.so"}};
    auto image = builder.build();
    const std::size_t dynamic_header = builder.segments_at + builder.segment_size;
    builder.patch(image, dynamic_header + builder.p_filesz(), builder.texts_at + 16 - builder.dynamic_at, 8);
    const auto file = read(image);
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_REQUIRE(file->linkage.needed.size() == 2u);
    BOOST_TEST(file->linkage.needed[1] == "libhidden.so");
}

BOOST_AUTO_TEST_CASE(entry_points_of_modules_of_cpython) {
    auto builder = sample();
    builder.symbols = {{"PyInit_two"}, {"PyModExport_three"}, {"PyModExport_two"},
                       {"PyInitU_xn"}, {"PyInit_"},           {"Py_Init"}};
    const auto file = read(builder.build());
    BOOST_REQUIRE(file.ok());
    const std::vector<std::string> found{"three", "two", "xn"};
    BOOST_TEST(file->python_inits == found, boost::test_tools::per_element());
    // An interpreter has its built-in modules like that.
    builder.symbols.push_back({"Py_InitializeEx"});
    const auto interpreter = read(builder.build());
    BOOST_REQUIRE(interpreter.ok());
    BOOST_TEST(interpreter->python_inits.empty());
}
