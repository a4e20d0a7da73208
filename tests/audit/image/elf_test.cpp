// elf_test.cpp: ELF files that say one thing in their headers, and another where the dynamic linker looks.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_elf
#include <elf.h>

#include <algorithm>
#include <cstring>

#include <boost/test/unit_test.hpp>

#include "fixture_files.hpp"
#include "image/elf_segments.hpp"
#include "patching.hpp"
#include "promises.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using interlock::test::get;
using interlock::test::put;
using File = interlock::test::Image;

namespace {

File fixture(const std::string& name) {
    return test::fixture_bytes("elf-x86_64/" + name + ".cpython-313t-x86_64-linux-gnu.so");
}

Elf64_Ehdr header(const File& file) {
    Elf64_Ehdr result;
    std::memcpy(&result, file.data(), sizeof result);
    return result;
}

/// Offset of the first program header of a type.
std::size_t program_header(const File& file, std::uint32_t type, unsigned skip = 0) {
    const Elf64_Ehdr of_file = header(file);
    for (unsigned i = 0; i < of_file.e_phnum; ++i) {
        const std::size_t at = of_file.e_phoff + i * sizeof(Elf64_Phdr);
        if (get(file, at, 4) == type && skip-- == 0) return at;
    }
    BOOST_FAIL("there is no program header of type " << type);
    return 0;
}

constexpr std::size_t offset = 8, address = 16, file_size = 32;

std::uint64_t to_offset(const File& file, std::uint64_t at) {
    const Elf64_Ehdr of_file = header(file);
    for (unsigned i = 0; i < of_file.e_phnum; ++i) {
        const std::size_t entry = of_file.e_phoff + i * sizeof(Elf64_Phdr);
        const std::uint64_t start = get(file, entry + address, 8);
        if (get(file, entry, 4) == PT_LOAD && at >= start && at - start < get(file, entry + file_size, 8))
            return get(file, entry + offset, 8) + at - start;
    }
    BOOST_FAIL("address " << at << " is not in the file");
    return 0;
}

/// Offset of the value of a dynamic tag.
std::size_t dynamic_value(const File& file, std::int64_t tag) {
    const std::size_t entry = program_header(file, PT_DYNAMIC);
    for (std::size_t at = get(file, entry + offset, 8); get(file, at, 8) != DT_NULL; at += 16)
        if (get(file, at, 8) == static_cast<std::uint64_t>(tag)) return at + 8;
    BOOST_FAIL("there is no tag " << tag);
    return 0;
}

auditing::image::Image read(const File& file) {
    auto images = read_images(file, "file");
    BOOST_REQUIRE_MESSAGE(images.ok(), test::why(images));
    BOOST_TEST(test::broken_promise(images->front(), file) == "");
    return images->front();
}

std::string refusal(const File& file, Errc code) {
    const auto images = read_images(file, "file");
    BOOST_REQUIRE(!images.ok());
    BOOST_TEST(errc_name(images.error().code) == errc_name(code));
    return images.error().message;
}

bool mentions(const std::string& text, std::string_view what) { return text.find(what) != text.npos; }

}  // namespace

BOOST_AUTO_TEST_CASE(any_number_of_program_headers) {
    File file = fixture("multi_free");
    const Elf64_Ehdr before = header(file);
    const File table(file.begin() + static_cast<std::ptrdiff_t>(before.e_phoff),
                     file.begin() + static_cast<std::ptrdiff_t>(before.e_phoff + before.e_phnum * sizeof(Elf64_Phdr)));
    file.resize((file.size() + 15) & ~std::size_t{15});
    put(file, offsetof(Elf64_Ehdr, e_phoff), file.size(), 8);
    put(file, offsetof(Elf64_Ehdr, e_phnum), 300, 2);
    file.insert(file.end(), table.begin(), table.end());
    file.resize(file.size() + (300 - before.e_phnum) * sizeof(Elf64_Phdr));  // PT_NULL
    BOOST_TEST(read(file).exports.size() == 1u);
}

BOOST_AUTO_TEST_CASE(program_headers_of_another_size) {
    File file = fixture("multi_free");
    put(file, offsetof(Elf64_Ehdr, e_phentsize), 64, 2);
    BOOST_TEST(mentions(refusal(file, Errc::malformed_file), "the size of a program header is 64, not 56"));
}

// Else it would be passed over in silence, as what is no module is.
BOOST_AUTO_TEST_CASE(what_is_beyond_the_limits_may_be_a_module) {
    File file = fixture("multi_free");
    put(file, offsetof(Elf64_Ehdr, e_phnum), 1025, 2);
    BOOST_TEST(mentions(refusal(file, Errc::unreadable), "1025 program headers; interlock reads at most 1024"));
}

BOOST_AUTO_TEST_CASE(broken_notes_cost_the_build_id_alone) {
    File file = fixture("multi_free");
    BOOST_REQUIRE(!read(file).build_id.empty());
    const std::size_t notes = get(file, program_header(file, PT_NOTE) + offset, 8);
    put(file, notes, 0xffffffff, 4);  // the size of the first owner
    BOOST_TEST(read(file).build_id.empty());
    BOOST_TEST(read(file).exports.size() == 1u);
}

// As the dynamic linker writes one after the other.
BOOST_AUTO_TEST_CASE(of_two_relocations_of_a_word_the_last_counts) {
    File file = fixture("multi_free");
    const std::size_t before = read(file).fixups.size();
    BOOST_REQUIRE(get(file, dynamic_value(file, DT_RELACOUNT), 8) >= 2u);
    const std::uint64_t table = to_offset(file, get(file, dynamic_value(file, DT_RELA), 8));
    const std::uint64_t place = get(file, table, 8), last = get(file, table + 24 + 16, 8);
    BOOST_REQUIRE(get(file, table + 16, 8) != last);
    put(file, table + 24, place, 8);
    const auditing::image::Image image = read(file);
    BOOST_TEST(image.fixups.size() == before - 1);
    const auto found = std::ranges::find(image.fixups, place, &Fixup::address);
    BOOST_REQUIRE(found != image.fixups.end());
    BOOST_TEST(found->value == last);
}

// Its offset may lead to a copy with other tables.
BOOST_AUTO_TEST_CASE(the_dynamic_section_is_where_its_address_says) {
    const File original = fixture("single_free");
    const auditing::image::Image expected = read(original);
    File file = original;
    const std::size_t entry = program_header(file, PT_DYNAMIC), at = get(file, entry + offset, 8);
    file.resize((file.size() + 15) & ~std::size_t{15});
    put(file, entry + offset, file.size(), 8);
    file.insert(file.end(), original.begin() + static_cast<std::ptrdiff_t>(at),
                original.begin() + static_cast<std::ptrdiff_t>(at + get(original, entry + file_size, 8)));
    for (std::size_t copy = get(file, entry + offset, 8); get(file, copy, 8) != DT_NULL; copy += 16)
        if (get(file, copy, 8) == DT_SYMTAB) put(file, copy + 8, 0x40, 8);
    const auditing::image::Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.exports.size(), expected.exports.size());
    BOOST_TEST(image.exports[0].address == expected.exports[0].address);
    BOOST_TEST(image.fixups.size() == expected.fixups.size());
}

BOOST_AUTO_TEST_CASE(thread_local_data_is_where_its_address_says) {
    const File original = fixture("thread_local");
    const auditing::image::Image expected = read(original);
    BOOST_REQUIRE(!expected.tls_data.empty());
    File file = original;
    put(file, program_header(file, PT_TLS) + offset, 0, 8);
    const auditing::image::Image image = read(file);
    BOOST_TEST(std::ranges::equal(image.tls_data, expected.tls_data));
}

BOOST_AUTO_TEST_CASE(the_hash_table_says_which_symbol_is_found) {
    File file = fixture("several_inits");
    const auditing::image::Image expected = read(file);
    BOOST_REQUIRE(expected.exports.size() >= 2u);
    const std::uint64_t symbols = to_offset(file, get(file, dynamic_value(file, DT_SYMTAB), 8));
    const std::uint64_t strings = to_offset(file, get(file, dynamic_value(file, DT_STRTAB), 8));
    const auto entry_of = [&](std::string_view name) {
        for (std::size_t at = symbols + 24;; at += 24) {
            const auto* text = reinterpret_cast<const char*>(&file[strings + get(file, at, 4)]);
            if (text == name) return at;
        }
    };
    // Another symbol is given the name of the first: it stays in the chain of its old name, where nobody finds it.
    const std::string first(expected.exports[0].name), second(expected.exports[1].name);
    const std::uint64_t real = expected.exports[0].address;
    put(file, entry_of(second), get(file, entry_of(first), 4), 4);
    const auditing::image::Image image = read(file);
    const Export* found = image.find_export(first);
    BOOST_REQUIRE(found != nullptr);
    BOOST_TEST(found->address == real);
    BOOST_TEST(image.find_export(second) == nullptr);
}

BOOST_AUTO_TEST_CASE(hidden_symbols_are_not_found) {
    File file = fixture("multi_free");
    const std::uint64_t symbols = to_offset(file, get(file, dynamic_value(file, DT_SYMTAB), 8));
    const std::uint64_t strings = to_offset(file, get(file, dynamic_value(file, DT_STRTAB), 8));
    std::size_t at = symbols + 24;
    while (std::string_view(reinterpret_cast<const char*>(&file[strings + get(file, at, 4)])) != "PyInit_multi_free")
        at += 24;
    put(file, at + 5, STV_HIDDEN, 1);
    BOOST_TEST(read(file).exports.empty());
}

// Pages are mapped whole: the rest of the page is what the file has there, unless memory goes on with zeros.
BOOST_AUTO_TEST_CASE(segments_are_whole_pages) {
    const File file = fixture("multi_free");
    const auditing::image::Image image = read(file);
    for (const Segment& segment : image.segments) {
        BOOST_TEST(segment.address % 4096 == 0u);
        BOOST_TEST(segment.size % 4096 == 0u);
    }
    const std::uint64_t end = get(file, program_header(file, PT_LOAD) + file_size, 8);
    BOOST_REQUIRE(end % 4096 != 0u);
    const auto rest = image.bytes_at(end, 8);
    BOOST_REQUIRE(rest.size() == 8u);
    BOOST_TEST(std::equal(rest.begin(), rest.end(), file.begin() + static_cast<std::ptrdiff_t>(end)));
}

// The page that two segments share is mapped for the later one, with what the file has around it.
BOOST_AUTO_TEST_CASE(a_shared_page_is_the_later_ones) {
    File file(0x4000);
    for (std::size_t i = 0; i < file.size(); ++i) file[i] = static_cast<std::uint8_t>(i >> 12);
    const std::string name = "file";
    const ByteView view(file, name);
    const ElfSegment first{.type = PT_LOAD, .offset = 0, .address = 0, .file_size = 0x1800, .size = 0x1800};
    const ElfSegment second{.type = PT_LOAD, .offset = 0x3900, .address = 0x1900, .file_size = 8, .size = 0x1000};
    const auto segments = mapped_segments(view, std::vector{first, second});
    BOOST_REQUIRE_EQUAL(segments.size(), 2u);
    BOOST_TEST(segments[0].address == 0u);
    BOOST_TEST(segments[0].size == 0x1000u);
    BOOST_TEST(segments[0].data.size() == 0x1000u);
    BOOST_TEST(segments[1].address == 0x1000u);
    BOOST_TEST(segments[1].size == 0x2000u);
    BOOST_TEST(segments[1].data.size() == 0x908u);  // zeros from there on
    BOOST_TEST(segments[1].data.front() == 3);
    // Of a segment without bytes of its own the page before its beginning is the file's, too.
    const ElfSegment zeros{.type = PT_LOAD, .offset = 0x2900, .address = 0x1900, .file_size = 0, .size = 0x1000};
    const auto with_zeros = mapped_segments(view, std::vector{first, zeros});
    BOOST_REQUIRE_EQUAL(with_zeros.size(), 2u);
    BOOST_TEST(with_zeros[1].data.size() == 0x900u);
    BOOST_TEST(with_zeros[1].data.front() == 2);
}

BOOST_AUTO_TEST_CASE(a_segment_that_cannot_be_mapped) {
    File file = fixture("multi_free");
    const std::size_t at = program_header(file, PT_LOAD, 1);
    put(file, at + offset, get(file, at + offset, 8) - 16, 8);
    BOOST_TEST(mentions(refusal(file, Errc::malformed_file), "so that it cannot be mapped"));
}

BOOST_AUTO_TEST_CASE(what_loaders_take_differently_is_refused) {
    const File original = fixture("multi_free");
    const std::size_t rela = dynamic_value(original, DT_RELA);
    const std::uint64_t table = to_offset(original, get(original, rela, 8));
    {  // tables without addends
        File file = original;
        put(file, rela - 8, DT_REL, 8);
        put(file, dynamic_value(file, DT_RELASZ) - 8, DT_RELSZ, 8);
        BOOST_TEST(mentions(refusal(file, Errc::unreadable), "relocations without addends"));
    }
    {  // half of a word, and the other half
        File file = original;
        BOOST_REQUIRE(get(file, dynamic_value(file, DT_RELASZ), 8) >= 48u);
        put(file, table + 24, get(file, table, 8) + 4, 8);
        BOOST_TEST(mentions(refusal(file, Errc::malformed_file), "two fixups overlap at address"));
    }
    {  // its own tables
        File file = original;
        put(file, table, get(file, dynamic_value(file, DT_SYMTAB), 8) + 8, 8);
        BOOST_TEST(mentions(refusal(file, Errc::malformed_file), "changes a table of the dynamic linker"));
    }
    {  // in front of all that are looked at
        File file = original;
        const std::size_t count = dynamic_value(file, DT_RELACOUNT);
        BOOST_REQUIRE(get(file, count, 8) > 0u);
        put(file, table + 8, get(file, table + 8, 8) - R_X86_64_RELATIVE + R_X86_64_64, 8);
        BOOST_TEST(mentions(refusal(file, Errc::malformed_file), "DT_RELACOUNT"));
    }
    {  // another library in front of it
        File file = original;
        const std::size_t entry = dynamic_value(file, DT_RELACOUNT);
        put(file, entry - 8, DT_FILTER, 8);
        BOOST_TEST(mentions(refusal(file, Errc::unreadable), "DT_FILTER"));
    }
}
