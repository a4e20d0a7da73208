// test_pe.cpp: PE files that are wrong in one way, each with the exact offset and reason, and forms that the fixtures
// do not have.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_pe
#include <functional>

#include <boost/test/unit_test.hpp>

#include "fixture_files.hpp"
#include "patching.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::auditing;
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
};

const std::string sample = "pe-x86_64/multi_free.cp313t-win_amd64.pyd";
const std::string delayed = "pe-x86_64/delay_import.cp313t-win_amd64.pyd";
const std::string local = "pe-x86_64/thread_local.cp313t-win_amd64.pyd";

/// One way to break a right file; `damage` returns the offset that the message has to name.
struct Damage {
    const char* what;
    std::string fixture;
    std::function<std::uint64_t(PeFile&)> damage;
    std::string reason;
};

const Damage damages[] = {
    // Headers.
    {"only the first letters", sample,
     [](PeFile& f) {
         f.bytes.resize(2);
         return 0x3c;
     },
     "the offset of the PE header is not within the file"},
    {"no header", sample,
     [](PeFile& f) {
         f.set(0x3c, 0xfffffff0);
         return 0x3c;
     },
     "there is no PE header at 0xfffffff0"},
    {"wrong signature", sample,
     [](PeFile& f) {
         f.set(f.header, 0x454e);
         return 0x3c;
     },
     "there is no PE header at 0x78"},
    {"optional header", sample,
     [](PeFile& f) {
         f.set(f.optional(), 0x107, 2);
         return f.optional();
     },
     "the optional header is of the unknown kind 0x107"},
    {"width", sample,
     [](PeFile& f) {
         f.set(f.header + 4, 0x14c, 2);
         return f.optional();
     },
     "the header is one for 64-bit addresses, the machine (0x14c) has others"},
    {"base too high", sample,
     [](PeFile& f) {
         f.set(f.optional() + 24, 0xffffffffffffe000, 8);
         return f.optional() + 56;
     },
     "an image of 0x6000 bytes at address 0xffffffffffffe000 goes beyond the end of the address space"},
    {"no size", sample,
     [](PeFile& f) {
         f.set(f.optional() + 56, 0);
         return f.optional() + 56;
     },
     "an image of 0x0 bytes at address 0x180000000 goes beyond the end of the address space"},
    {"headers too long", sample,
     [](PeFile& f) {
         f.set(f.optional() + 60, 0x7fffffff);
         return 0;
     },
     "the part of the headers is not within the file"},
    {"headers in a section", sample,
     [](PeFile& f) {
         f.bytes.resize(0x3000);
         f.set(f.optional() + 60, 0x1001);
         return f.section(0);
     },
     "the segment at address 0x180001000 overlaps the one at address 0x180000000"},
    // Sections.
    {"sections beyond the end", sample,
     [](PeFile& f) {
         f.bytes.resize(f.section(2));
         f.set(f.optional() + 60, 0x100);
         for (const unsigned i : {0, 1}) f.set(f.section(i) + 16, 0);
         return f.section(2);
     },
     "a section header is not within the file"},
    {"overlap", sample,
     [](PeFile& f) {
         f.set(f.section(1) + 12, 0x1008);
         return f.section(1);
     },
     "the segment at address 0x180001008 overlaps the one at address 0x180001000"},
    {"RVA wraps around", sample,
     [](PeFile& f) {
         f.set(f.section(1) + 12, 0xfffff000);
         f.set(f.section(1) + 8, 0x2000);
         return f.section(1);
     },
     "the section at RVA 0xfffff000 with 0x2000 bytes is not within the image, which has 0x6000"},
    {"section too large", sample,
     [](PeFile& f) {
         f.set(f.section(0) + 8, 0xffffffff);
         return f.section(0);
     },
     "the section at RVA 0x1000 with 0xffffffff bytes is not within the image, which has 0x6000"},
    {"content beyond the end", sample,
     [](PeFile& f) {
         f.set(f.section(0) + 20, 0x7ffffe00);
         return 0x7ffffe00;
     },
     "the content of a section is not within the file"},
    // Imports.
    {"import directory outside", sample,
     [](PeFile& f) {
         f.set(f.directory(1), 0x5ff8);
         return f.directory(1);
     },
     "an import descriptor (RVA 0x5ff8, 20 bytes) is not within a section's part of the file"},
    {"import directory without end", sample,
     [](PeFile& f) {
         // In the last 20 bytes of .rdata, as a descriptor that is not the last.
         const auto end = get(f.bytes, f.section(1) + 12, 4) + get(f.bytes, f.section(1) + 8, 4);
         const auto from = f.table(1);
         const auto to = f.offset(end - 20);
         std::copy_n(f.bytes.begin() + static_cast<std::ptrdiff_t>(from), 20,
                     f.bytes.begin() + static_cast<std::ptrdiff_t>(to));
         f.set(f.directory(1), end - 20);
         return to;
     },
     "an import descriptor (RVA 0x2125, 20 bytes) is not within a section's part of the file"},
    {"library name outside", sample,
     [](PeFile& f) {
         f.set(f.table(1) + 12, 0xfff);
         return f.table(1) + 12;
     },
     "the name of a library (RVA 0xfff, 1 bytes) is not within a section's part of the file"},
    {"name table outside", sample,
     [](PeFile& f) {
         f.set(f.table(1), 0x5ffff);
         return f.table(1);
     },
     "the name table of 'python313t.dll' (RVA 0x5ffff, 8 bytes) is not within a section's part of the file"},
    {"import name outside", sample,
     [](PeFile& f) {
         const auto names = f.offset(get(f.bytes, f.table(1), 4));
         f.set(names, 0xfff0, 8);
         return names;
     },
     "the RVA 0xfff0 of an import is too large"},
    {"import name without end", sample,
     [](PeFile& f) {
         const auto names = f.offset(get(f.bytes, f.table(1), 4));
         const auto end = get(f.bytes, f.section(1) + 12, 4) + get(f.bytes, f.section(1) + 8, 4);
         f.set(names, end - 3, 8);
         f.set(f.offset(end - 1), 'x', 1);
         return f.offset(end - 1);
     },
     "the name of an import has no end"},
    {"import slots outside", sample,
     [](PeFile& f) {
         f.set(f.table(1) + 16, 0x9000);
         return f.offset(get(f.bytes, f.table(1), 4));
     },
     "the place to relocate at address 0x180009000 is not within a segment"},
    {"delay import directory outside", delayed,
     [](PeFile& f) {
         f.set(f.directory(13), 0xfffffff0);
         return f.directory(13);
     },
     "a delay import descriptor (RVA 0xfffffff0, 32 bytes) is not within a section's part of the file"},
    {"delay import address below the image", delayed,
     [](PeFile& f) {
         f.set(f.table(13), 0);
         return f.table(13) + 4;
     },
     "the address 0x2080 is below the image"},
    // Base relocations.
    {"relocation table outside", sample,
     [](PeFile& f) {
         f.set(f.directory(5) + 4, 0xffffffff);
         return f.directory(5);
     },
     "the base relocation table (RVA 0x5000, 4294967295 bytes) is not within a section's part of the file"},
    {"block too small", sample,
     [](PeFile& f) {
         f.set(f.table(5) + 4, 7);
         return f.table(5) + 4;
     },
     "a block of base relocations with 7 bytes does not fit into its table"},
    {"block too large", sample,
     [](PeFile& f) {
         f.set(f.table(5) + 4, 0xfffffff0);
         return f.table(5) + 4;
     },
     "a block of base relocations with 4294967280 bytes does not fit into its table"},
    {"relocation outside", sample,
     [](PeFile& f) {
         f.set(f.table(5), 0xfffff000);
         return f.table(5) + 8;
     },
     "a relocated address (RVA 0xfffff010, 8 bytes) is not within a section's part of the file"},
    {"the same twice", sample,
     [](PeFile& f) {
         f.set(f.table(5) + 10, get(f.bytes, f.table(5) + 8, 2), 2);
         return f.offset(0x3010);
     },
     "two fixups overlap at address 0x180003010"},
    {"overlapping relocations", sample,
     [](PeFile& f) {
         f.set(f.table(5) + 10, get(f.bytes, f.table(5) + 8, 2) + 7, 2);
         return f.offset(0x3017);
     },
     "two fixups overlap at address 0x180003017"},
    // Exports.
    {"huge number of names", sample,
     [](PeFile& f) {
         f.set(f.table(0) + 24, 0xffffffff);
         return f.table(0) + 32;
     },
     "the table of exported names (RVA 0x208c, 17179869180 bytes) is not within a section's part of the file"},
    {"name outside", sample,
     [](PeFile& f) {
         const auto names = f.offset(get(f.bytes, f.table(0) + 32, 4));
         f.set(names, 0xfff);
         return names;
     },
     "an exported name (RVA 0xfff, 1 bytes) is not within a section's part of the file"},
    {"ordinal too large", sample,
     [](PeFile& f) {
         const auto ordinals = f.offset(get(f.bytes, f.table(0) + 36, 4));
         f.set(ordinals, 2, 2);
         return ordinals;
     },
     "the ordinal 2 of 'PyInit_multi_free' is not below the number of functions, 2"},
    {"address outside", sample,
     [](PeFile& f) {
         const auto function = f.offset(get(f.bytes, f.table(0) + 28, 4)) + 4;
         f.set(function, 0x1fff);
         return function;
     },
     "the RVA 0x1fff of the export 'PyInit_multi_free' is not within a section"},
    // Thread-local block.
    {"block ends before its start", local,
     [](PeFile& f) {
         f.set(f.table(9) + 8, 0x180003fff, 8);
         return f.table(9);
     },
     "the thread-local data at address 0x180004000 to 0x180003fff is not within a section"},
    {"index outside", local,
     [](PeFile& f) {
         f.set(f.table(9) + 16, 8, 8);
         return f.table(9) + 16;
     },
     "the place of the thread-local index at address 0x8 is not within a section"},
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
            const auto offset = damage.damage(file);
            const auto image = read_pe(file.bytes, "file");
            BOOST_REQUIRE(!image.ok());
            BOOST_TEST(errc_name(image.error().code) == errc_name(Errc::malformed_file));
            BOOST_TEST(image.error().message == malformed_message(offset, damage.reason));
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
    file.set(file.offset(get(file.bytes, file.table(1), 4)), 0x8000000000000007, 8);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 1u);
    BOOST_TEST(image.imports[0].name == "");
    BOOST_TEST(image.imports[0].ordinal == 7u);
    BOOST_TEST(image.imports[0].library == "python313t.dll");
}

BOOST_AUTO_TEST_CASE(names_from_the_address_table) {
    // Without a name table the slots themselves hold the names until the loader comes.
    PeFile file(sample);
    const auto names = file.offset(get(file.bytes, file.table(1), 4));
    const auto slots = file.offset(get(file.bytes, file.table(1) + 16, 4));
    file.set(slots, get(file.bytes, names, 8), 8);
    file.set(file.table(1), 0);
    file.set(names, 0, 8);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 1u);
    BOOST_TEST(image.imports[0].name == "PyModuleDef_Init");
}

BOOST_AUTO_TEST_CASE(delay_imports_with_addresses) {
    // As Visual C++ 6 wrote them. The base has to fit into 32 bits.
    PeFile file("pe-i386/multi_free.cp313t-win32.pyd");
    const auto imports = file.table(1);
    const auto library = get(file.bytes, imports + 12, 4), names = get(file.bytes, imports, 4);
    const auto slots = get(file.bytes, imports + 16, 4);
    constexpr std::uint64_t base = 0x10000000;
    // Into the unused end of .data, which is made longer for it.
    const auto size = get(file.bytes, file.section(2) + 8, 4);
    const auto descriptor = (size + 3) & ~std::uint64_t{3};
    BOOST_REQUIRE(descriptor + 64 <= get(file.bytes, file.section(2) + 16, 4));
    file.set(file.section(2) + 8, descriptor + 64);
    const auto rva = get(file.bytes, file.section(2) + 12, 4) + descriptor;
    const auto at = file.offset(rva);
    file.set(at + 4, base + library);
    file.set(at + 12, base + slots);
    file.set(at + 16, base + names);
    file.set(file.directory(13), rva);
    file.set(file.directory(1), 0);
    const Image image = read(file);
    BOOST_REQUIRE_EQUAL(image.imports.size(), 1u);
    BOOST_TEST(image.imports[0].name == "PyModuleDef_Init");
    const auto bound = std::ranges::find(image.fixups, Fixup::Kind::import, &Fixup::kind);
    BOOST_REQUIRE(bound != image.fixups.end());
    BOOST_TEST(bound->address == base + slots);
    BOOST_TEST(bound->width == 4);
}

BOOST_AUTO_TEST_CASE(relocations_of_other_machines_are_counted) {
    PeFile file(sample);
    const auto before = read(file).fixups.size();
    file.set(file.table(5) + 8, 0x5010, 2);  // ARM_MOV32
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
