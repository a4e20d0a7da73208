// pe_test.cpp: PE files that are wrong in one way, each with the exact offset and reason, and forms that the fixtures
// do not have.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_pe
#include <algorithm>
#include <functional>

#include <boost/test/unit_test.hpp>

#include "fixture_files.hpp"
#include "image/image_builder.hpp"
#include "patching.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using interlock::test::get;
using interlock::test::malformed_message;
using interlock::test::put;
using interlock::test::unsupported_message;
using Bytes8 = interlock::test::Image;

namespace {

/// A fixture, and where things are in it.
struct PeFile {
    explicit PeFile(const std::string& name) : bytes(test::fixture_bytes(name)), header(get(bytes, 0x3c, 4)) {}

    Bytes8 bytes;
    std::uint64_t header;

    std::uint64_t optional() const { return header + 24; }
    bool wide() const { return get(bytes, optional(), 2) == 0x20b; }
    std::uint64_t directory(unsigned index) const { return optional() + (wide() ? 112 : 96) + 8 * index; }
    std::uint64_t section(unsigned index) const {
        return optional() + get(bytes, header + 20, 2) + std::uint64_t{40} * index;
    }
    std::uint64_t offset(std::uint64_t rva) const {
        for (unsigned i = 0; i < get(bytes, header + 6, 2); ++i) {
            const auto start = get(bytes, section(i) + 12, 4);
            if (rva >= start && rva - start < get(bytes, section(i) + 8, 4))
                return get(bytes, section(i) + 20, 4) + rva - start;
        }
        throw std::logic_error("no such RVA in the fixture");
    }
    std::uint64_t table(unsigned index) const { return offset(get(bytes, directory(index), 4)); }
    void set(std::uint64_t at, std::uint64_t value, unsigned size = 4) { put(bytes, at, value, size); }
    void copy(std::uint64_t from, std::uint64_t to, unsigned size) {
        for (unsigned i = 0; i < size; ++i) bytes[to + i] = bytes[from + i];
    }

    std::uint64_t size() const { return get(bytes, optional() + 56, 4); }
    /// The RVA behind a section.
    std::uint64_t end(unsigned index) const {
        return get(bytes, section(index) + 12, 4) + get(bytes, section(index) + 8, 4);
    }
    /// The offset of the first table of imported names.
    std::uint64_t names() const { return offset(get(bytes, table(1), 4)); }
    std::uint64_t first_relocation() const { return get(bytes, table(5) + 8, 2) & 0xfff; }
    /// Room at the end of .data, which is made longer for it; the RVA.
    std::uint64_t append(std::uint64_t room) {
        const auto before = (get(bytes, section(2) + 8, 4) + 7) & ~std::uint64_t{7};
        if (before + room > get(bytes, section(2) + 16, 4)) throw std::logic_error("no room left in .data");
        set(section(2) + 8, before + room);
        return get(bytes, section(2) + 12, 4) + before;
    }
};

const std::string sample = "pe-x86_64/multi_free.cp313t-win_amd64.pyd";
const std::string delayed = "pe-x86_64/delay_import.cp313t-win_amd64.pyd";
const std::string local = "pe-x86_64/thread_local.cp313t-win_amd64.pyd";

/// What the message has to name.
struct Complaint {
    std::uint64_t offset;
    std::string reason;
};

/// One way to break a right file.
struct Damage {
    const char* what;
    std::string fixture;
    std::function<Complaint(PeFile&)> damage;
};

std::string outside(const std::string& what, std::uint64_t rva, std::uint64_t size) {
    return what + " (RVA " + hex(rva) + ", " + std::to_string(size) +
           " bytes) is not within a section's part of the file";
}

const Damage damages[] = {
    // Headers.
    {"only the first letters", sample,
     [](PeFile& f) -> Complaint {
         f.bytes.resize(2);
         return {0x3c, "the offset of the PE header is not within the file"};
     }},
    {"no header", sample,
     [](PeFile& f) -> Complaint {
         f.set(0x3c, 0xfffffff0);
         return {0x3c, "there is no PE header at 0xfffffff0"};
     }},
    {"wrong signature", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.header, 0x454e);
         return {0x3c, "there is no PE header at " + hex(f.header)};
     }},
    {"optional header", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.optional(), 0x107, 2);
         return {f.optional(), "the optional header is of the unknown kind 0x107"};
     }},
    {"width", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.header + 4, 0x14c, 2);
         return {f.optional(), "the header is one for 64-bit addresses, the machine (0x14c) has others"};
     }},
    {"width the other way round", "pe-i386/multi_free.cp313t-win32.pyd",
     [](PeFile& f) -> Complaint {
         f.set(f.header + 4, 0x8664, 2);
         return {f.optional(), "the header is one for 32-bit addresses, the machine (0x8664) has others"};
     }},
    {"base too high", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.optional() + 24, 0xffffffffffffe000, 8);
         return {f.optional() + 56,
                 "an image of " + hex(f.size()) +
                     " bytes at address 0xffffffffffffe000 goes beyond the end of the address space"};
     }},
    {"no size", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.optional() + 56, 0);
         return {f.optional() + 56,
                 "an image of 0x0 bytes at address 0x180000000 goes beyond the end of the address space"};
     }},
    {"headers too long", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.optional() + 60, 0x7fffffff);
         return {0, "the part of the headers is not within the file"};
     }},
    {"headers in a section", sample,
     [](PeFile& f) -> Complaint {
         f.bytes.resize(0x3000);
         f.set(f.optional() + 60, 0x1001);
         return {f.section(0), "the segment at address 0x180001000 overlaps the one at address 0x180000000"};
     }},
    // Sections.
    {"sections beyond the end", sample,
     [](PeFile& f) -> Complaint {
         f.bytes.resize(f.section(2));
         f.set(f.optional() + 60, 0x100);
         for (const unsigned i : {0, 1}) f.set(f.section(i) + 16, 0);
         return {f.section(2), "a section header is not within the file"};
     }},
    {"overlap", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.section(1) + 12, 0x1008);
         return {f.section(1), "the segment at address 0x180001008 overlaps the one at address 0x180001000"};
     }},
    {"RVA wraps around", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.section(1) + 12, 0xfffff000);
         f.set(f.section(1) + 8, 0x2000);
         return {f.section(1),
                 "the section at RVA 0xfffff000 with 0x2000 bytes is not within the image, which has " + hex(f.size())};
     }},
    {"section too large", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.section(0) + 8, 0xffffffff);
         return {f.section(0),
                 "the section at RVA 0x1000 with 0xffffffff bytes is not within the image, which has " + hex(f.size())};
     }},
    {"content beyond the end", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.section(0) + 20, 0x7ffffe00);
         return {0x7ffffe00, "the content of a section is not within the file"};
     }},
    // Imports.
    {"import directory outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.directory(1), 0x5ff8);
         return {f.directory(1), outside("an import descriptor", 0x5ff8, 20)};
     }},
    {"import directory without end", sample,
     [](PeFile& f) -> Complaint {
         // The descriptor goes to the last bytes of .rdata, and no zero follows.
         const auto end = f.end(1);
         const auto from = f.table(1);
         f.copy(from, f.offset(end - 20), 20);
         f.set(f.directory(1), end - 20);
         return {f.offset(end - 20), outside("an import descriptor", end, 20)};
     }},
    {"library name outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(1) + 12, 0xfff);
         return {f.table(1) + 12, outside("the name of a library", 0xfff, 1)};
     }},
    {"library name without end", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.offset(f.end(1) - 1), 'x', 1);
         f.set(f.table(1) + 12, f.end(1) - 1);
         return {f.offset(f.end(1) - 1), "the name of a library has no end"};
     }},
    {"name table outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(1), 0x5ffff);
         return {f.table(1), outside("the name table of 'python313t.dll'", 0x5ffff, 8)};
     }},
    {"import name outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.names(), 0xfff0, 8);
         return {f.names(), "the RVA 0xfff0 of an import is too large"};
     }},
    {"import slots outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(1) + 16, 0x9000);
         return {f.names(), "the place to relocate at address 0x180009000 is not within a segment"};
     }},
    {"delay import directory outside", delayed,
     [](PeFile& f) -> Complaint {
         f.set(f.directory(13), 0xfffffff0);
         return {f.directory(13), outside("a delay import descriptor", 0xfffffff0, 32)};
     }},
    {"delay import address below the image", delayed,
     [](PeFile& f) -> Complaint {
         f.set(f.table(13), 0);
         const auto library = get(f.bytes, f.table(13) + 4, 4);
         return {f.table(13) + 4, "the address " + hex(library) + " is below the image"};
     }},
    // Base relocations.
    {"relocation table outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.directory(5) + 4, 0xffffffff);
         return {f.directory(5), outside("the base relocation table", get(f.bytes, f.directory(5), 4), 0xffffffff)};
     }},
    {"block too small", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(5) + 4, 7);
         return {f.table(5) + 4, "a block of base relocations with 7 bytes does not fit into its table"};
     }},
    {"block too large", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(5) + 4, 0xfffffff0);
         return {f.table(5) + 4, "a block of base relocations with 4294967280 bytes does not fit into its table"};
     }},
    {"relocation outside", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(5), 0xfffff000);
         return {f.table(5) + 8, outside("a relocated address", 0xfffff000 + f.first_relocation(), 8)};
     }},
    {"the same twice", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(5) + 10, get(f.bytes, f.table(5) + 8, 2), 2);
         const auto rva = get(f.bytes, f.table(5), 4) + f.first_relocation();
         return {f.offset(rva), "two fixups relocate the same word, at address " + hex(0x180000000 + rva)};
     }},
    {"overlapping relocations", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(5) + 10, get(f.bytes, f.table(5) + 8, 2) + 7, 2);
         const auto rva = get(f.bytes, f.table(5), 4) + f.first_relocation() + 7;
         return {f.offset(rva), "two fixups overlap at address " + hex(0x180000000 + rva)};
     }},
    // Exports.
    {"huge number of names", sample,
     [](PeFile& f) -> Complaint {
         f.set(f.table(0) + 24, 0xffffffff);
         return {f.table(0) + 32,
                 outside("the table of exported names", get(f.bytes, f.table(0) + 32, 4), 4 * 0xffffffffull)};
     }},
    {"name outside", sample,
     [](PeFile& f) -> Complaint {
         const auto names = f.offset(get(f.bytes, f.table(0) + 32, 4));
         f.set(names, 0xfff);
         return {names, outside("an exported name", 0xfff, 1)};
     }},
    {"ordinal too large", sample,
     [](PeFile& f) -> Complaint {
         const auto ordinals = f.offset(get(f.bytes, f.table(0) + 36, 4));
         f.set(ordinals, 2, 2);
         return {ordinals, "the ordinal 2 of 'PyInit_multi_free' is not below the number of functions, 1"};
     }},
    {"address outside", sample,
     [](PeFile& f) -> Complaint {
         const auto function = f.offset(get(f.bytes, f.table(0) + 28, 4));
         f.set(function, 0xfff);
         return {function, "the RVA 0xfff of the export 'PyInit_multi_free' is not within a section"};
     }},
    // Thread-local block.
    {"block ends before its start", local,
     [](PeFile& f) -> Complaint {
         const auto start = get(f.bytes, f.table(9), 8);
         f.set(f.table(9) + 8, start - 1, 8);
         return {f.table(9), "the thread-local data at address " + hex(start) + " to " + hex(start - 1) +
                                 " is not within a section"};
     }},
    {"index outside", local,
     [](PeFile& f) -> Complaint {
         f.set(f.table(9) + 16, 8, 8);
         return {f.table(9) + 16, "the place of the thread-local index at address 0x8 is not within a section"};
     }},
};

Image read(const PeFile& file) {
    auto image = read_pe(file.bytes, "file");
    BOOST_REQUIRE_MESSAGE(image.ok(), test::why(image));
    BOOST_TEST(test::broken_promise(*image, file.bytes) == "");
    return std::move(*image);
}

}  // namespace

BOOST_AUTO_TEST_CASE(damage_is_named) {
    for (const Damage& damage : damages) {
        BOOST_TEST_CONTEXT(damage.what) {
            PeFile file(damage.fixture);
            const auto expected = damage.damage(file);
            const auto image = read_pe(file.bytes, "file");
            BOOST_REQUIRE(!image.ok());
            BOOST_TEST(errc_name(image.error().code) == errc_name(Errc::malformed_file));
            BOOST_TEST(image.error().message == malformed_message(expected.offset, expected.reason));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_program_is_no_module) {
    PeFile file(sample);
    file.set(file.header + 22, get(file.bytes, file.header + 22, 2) & ~0x2000u, 2);
    const auto image = read_pe(file.bytes, "file");
    BOOST_REQUIRE(!image.ok());
    BOOST_TEST(errc_name(image.error().code) == errc_name(Errc::unsupported));
    BOOST_TEST(image.error().message == unsupported_message("it is a Windows program, and no module"));
}

BOOST_AUTO_TEST_CASE(import_by_ordinal) {
    PeFile file(sample);
    file.set(file.names(), 0x8000000000000007, 8);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 2u);
    BOOST_TEST(image.imports[0].name == "");
    BOOST_TEST(image.imports[0].ordinal == 7u);
    BOOST_TEST(image.imports[0].library == "python313t.dll");
    BOOST_TEST(image.imports[1].name != "");
    BOOST_TEST(image.imports[1].ordinal == 0u);
}

// The loader binds them one after the other.
BOOST_AUTO_TEST_CASE(the_last_import_into_a_slot_counts) {
    PeFile file(sample);
    const auto slots = get(file.bytes, file.table(1) + 16, 4);
    const auto rva = file.append(80);  // two descriptors and a zero; a table of one name
    const auto again = file.offset(rva) + 20, names = rva + 64;
    file.copy(file.table(1), file.offset(rva), 20);
    file.copy(file.table(1), again, 20);
    file.set(again, names);
    file.set(file.offset(names), 0x8000000000000007, 8);
    file.set(file.directory(1), rva);
    const Image image = read(file);
    const auto fixup = std::ranges::find(image.fixups, 0x180000000 + slots, &Fixup::address);
    BOOST_REQUIRE((fixup != image.fixups.end() && fixup->kind == Fixup::Kind::import));
    BOOST_TEST(image.imports[fixup->import].ordinal == 7u);
}

BOOST_AUTO_TEST_CASE(names_from_the_address_table) {
    // Without a name table the slots themselves hold the names until the loader comes.
    PeFile file(sample);
    const auto slots = file.offset(get(file.bytes, file.table(1) + 16, 4));
    file.copy(file.names(), slots, 24);
    file.set(file.names(), 0, 8);
    file.set(file.table(1), 0);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 2u);
    BOOST_TEST(image.imports[0].name == "PyModuleDef_Init");
}

BOOST_AUTO_TEST_CASE(delay_imports_with_addresses) {
    // As Visual C++ 6 wrote them. The base has to fit into 32 bits.
    PeFile file("pe-i386/multi_free.cp313t-win32.pyd");
    const auto imports = file.table(1);
    const auto library = get(file.bytes, imports + 12, 4), names = get(file.bytes, imports, 4);
    const auto slots = get(file.bytes, imports + 16, 4);
    constexpr std::uint64_t base = 0x10000000;
    const auto rva = file.append(64);
    const auto at = file.offset(rva);
    file.set(at + 4, base + library);
    file.set(at + 12, base + slots);
    file.set(at + 16, base + names);
    file.set(file.directory(13), rva);
    file.set(file.directory(1), 0);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 2u);
    BOOST_TEST(image.imports[0].name == "PyModuleDef_Init");
    const auto bound = std::ranges::find(image.fixups, Fixup::Kind::import, &Fixup::kind);
    BOOST_REQUIRE(bound != image.fixups.end());
    BOOST_TEST(bound->address == base + slots);
    BOOST_TEST(bound->width == 4);
}

BOOST_AUTO_TEST_CASE(relocations_of_other_machines_are_counted) {
    PeFile file(sample);
    const auto before = read(file).fixups.size();
    file.set(file.table(5) + 8, 0x5000 + file.first_relocation(), 2);  // ARM_MOV32
    const Image image = read(file);
    BOOST_TEST(image.unknown_fixups == 1u);
    BOOST_TEST(image.fixups.size() == before - 1);
}

BOOST_AUTO_TEST_CASE(other_machines_are_named) {
    PeFile file(sample);
    for (const auto& [machine, name] : {std::pair{0xaa64u, "aarch64"}, {0x6264u, "loongarch64"}, {0x200u, "other"}}) {
        file.set(file.header + 4, machine, 2);
        BOOST_TEST(architecture_name(read(file).architecture) == name);
    }
}

BOOST_AUTO_TEST_CASE(stale_debug_directory_is_no_error) {
    PeFile file(sample);
    BOOST_TEST(read(file).build_id.size() == 33u);
    file.set(file.table(6) + 24, 0xfffffff0);
    BOOST_TEST(read(file).build_id == "");
    file.set(file.directory(6), 0xfffffff0);
    BOOST_TEST(read(file).build_id == "");
}

// Windows looks for a name as if they were sorted, and maps a file with small units as it is.
BOOST_AUTO_TEST_CASE(what_windows_would_not_find) {
    PeFile twice("pe-x86_64-libraries/bundled.dll");
    const auto names = twice.offset(get(twice.bytes, twice.table(0) + 32, 4));
    BOOST_REQUIRE(get(twice.bytes, twice.table(0) + 24, 4) >= 2);
    const auto first = get(twice.bytes, names, 4);
    twice.set(names, get(twice.bytes, names + 4, 4));
    twice.set(names + 4, first);
    const Names wanted = {"bundled_init", "bundled_is_thread_safe", "bundled_version"};
    const auto unsorted = auditing::image::read_pe(twice.bytes, "file", &wanted);
    BOOST_REQUIRE(!unsorted.ok());
    BOOST_TEST(unsorted.error().message.find("is not found, as the names are not sorted") != std::string::npos);

    PeFile small(sample);
    small.set(small.optional() + 32, 0x200);
    const auto flat = auditing::image::read_pe(small.bytes, "file");
    BOOST_REQUIRE(!flat.ok());
    BOOST_TEST(flat.error().message.find("a section lies elsewhere in the file than in memory") != std::string::npos);
}
