// macho_tables_test.cpp: the tables of Mach-O files that say what dyld does: chained fixups, opcodes, export tries.
// Every form that is read, and tables that are wrong, each with the exact offset and reason.
//
// SPDX-License-Identifier: MIT
#include <initializer_list>
#include <variant>

#include <boost/test/unit_test.hpp>

#include "image/image_builder.hpp"
#include "macho_checks.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using interlock::test::append;
using interlock::test::append_uleb;
using interlock::test::ChainedTable;
using interlock::test::check_malformed;
using interlock::test::check_too_much;
using interlock::test::MachBuilder;
using interlock::test::module_trie;
using interlock::test::put;
using interlock::test::read;
using interlock::test::trie_of;
using File = interlock::test::Image;

namespace {

/// "1000 rebase 800", "1008 import f@/usr/lib/libSystem.B.dylib+8".
std::vector<std::string> fixups_of(const Image& image) {
    std::vector<std::string> texts;
    for (const auto& fixup : image.fixups) {
        std::string text = hex(fixup.address).substr(2);
        if (fixup.kind == Fixup::Kind::rebase) {
            text += " rebase " + hex(fixup.value).substr(2);
        } else {
            const Import& import = image.imports[fixup.import];
            text += " import " + std::string(import.name) + (import.library.empty() ? "" : "@");
            text += std::string(import.library) + (import.weak ? " weak" : "");
            if (fixup.value != 0) text += " + " + hex(fixup.value).substr(2);
        }
        if (fixup.width == 4) text += " (4)";
        texts.push_back(text);
    }
    return texts;
}

void check_fixups(const Image& image, const std::vector<std::string>& expected) {
    BOOST_TEST(fixups_of(image) == expected, boost::test_tools::per_element());
}

MachBuilder chained(const ChainedTable& table, std::map<unsigned, std::uint64_t> data) {
    MachBuilder builder;
    builder.trie = module_trie();
    builder.chained = table.build();
    builder.data = std::move(data);
    return builder;
}

constexpr std::uint64_t bind_64 = 1ull << 63, next_64 = 1ull << 51;                     // unit: 4 bytes
constexpr std::uint64_t bind_e = 1ull << 62, auth_e = 1ull << 63, next_e = 1ull << 51;  // unit: 8 bytes

}  // namespace

// ---- chained fixups -----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(chained_64) {
    // With addresses (2) and with offsets from the header (6): the same when the image starts at 0.
    for (const unsigned format : {2u, 6u}) {
        const ChainedTable table{.pointer_format = format, .page_start = 8, .imports = {{"_f"}, {"_g", 1, true}}};
        auto builder = chained(table, {{8, 0x800 | 2 * next_64},
                                       {16, bind_64 | 0 | 5ull << 24 | 3 * next_64},
                                       {28, bind_64 | 1 | 1 * next_64},
                                       {36, 0xabull << 36 | 0x10}});
        builder.data.erase(36);
        builder.data[28] = bind_64 | 1 | 3 * next_64;
        builder.data[40] = 0xabull << 36 | 0x10;
        check_fixups(read(builder.build()),
                     {"1008 rebase 800", "1010 import f + 5", "101c import g@/usr/lib/libSystem.B.dylib weak",
                      "1028 rebase ab00000000000010"});
    }
}

BOOST_AUTO_TEST_CASE(chained_offsets_start_at_the_header) {
    for (const auto& [format, expected] : {std::pair{2u, "101000 rebase 800"}, {6u, "101000 rebase 100800"}}) {
        auto builder = chained({.pointer_format = format}, {{0, 0x800}});
        builder.base = 0x100000;
        check_fixups(read(builder.build()), {expected});
    }
}

BOOST_AUTO_TEST_CASE(chained_arm64e) {
    for (const unsigned format : {1u, 9u, 12u}) {
        auto builder = chained({.pointer_format = format, .imports = {{"_f"}, {"_g", 1}}},
                               {{0, 0x800 | 1 * next_e},
                                {8, auth_e | 0x900 | 0xdeadull << 32 | 1 * next_e},
                                {16, bind_e | 0 | 0x7ffffull << 32 | 1 * next_e},
                                {24, bind_e | auth_e | 1 | 0xbeefull << 32}});
        check_fixups(read(builder.build()), {"1000 rebase 800", "1008 rebase 900", "1010 import f + ffffffffffffffff",
                                             "1018 import g@/usr/lib/libSystem.B.dylib"});
    }
    auto builder = chained({.pointer_format = 12}, {{0, bind_e | 0x10000}});
    check_malformed(builder.build(), 0x1000, "import number 65536 does not exist: there are 0");
    // For 1 the plain target is an address, the authenticated one an offset.
    builder = chained({.pointer_format = 1}, {{0, 0x100800 | next_e}, {8, auth_e | 0x900}});
    builder.base = 0x100000;
    check_fixups(read(builder.build()), {"101000 rebase 100800", "101008 rebase 100900"});
}

BOOST_AUTO_TEST_CASE(chained_imports) {
    for (const unsigned format : {1u, 2u, 3u}) {
        const std::uint64_t addend = format == 1 ? 0 : static_cast<std::uint64_t>(-16);
        auto builder = chained({.import_format = format,
                                .imports = {{"_self", 0}, {"_main", -1}, {"_flat", -2, true, addend}, {"_same", -3}}},
                               {{0, bind_64 | 2 * next_64},
                                {8, bind_64 | 1 | 2 * next_64},
                                {16, bind_64 | 2 | 2 * next_64},
                                {24, bind_64 | 3}});
        check_fixups(
            read(builder.build()),
            {"1000 import self", "1008 import main",
             format == 1 ? "1010 import flat weak" : "1010 import flat weak + fffffffffffffff0", "1018 import same"});
    }
}

BOOST_AUTO_TEST_CASE(damaged_chains) {
    // What would be a loop in a list of addresses cannot be one here: links go forward, and must stay in their page.
    check_malformed(chained({}, {{0, 0x800 | 0xfff * next_64}}).build(), 0x4ffc,
                    "a chain of fixups leaves its page, at 0x3ffc of 0x1000");
    check_malformed(chained({.page_start = 0xffc}, {}).build(), 0x1ffc,
                    "a chain of fixups leaves its page, at 0xffc of 0x1000");
    check_malformed(chained({}, {{0, 0x800 | 1 * next_64}}).build(), 0x1004, "two fixups overlap at address 0x1004");
    check_malformed(chained({.imports = {{"_f"}}}, {{0, bind_64 | 1}}).build(), 0x1000,
                    "import number 1 does not exist: there are 1");
    check_malformed(chained({.imports = {{"_f", 2}}}, {}).build(), 0x2000 + ChainedTable::imports_at,
                    "library number 2 does not exist: there are 1");
    check_malformed(chained({.imports = {{"_f", -4}}}, {}).build(), 0x2000 + ChainedTable::imports_at,
                    "the library number -4 is not known");
}

BOOST_AUTO_TEST_CASE(damaged_chained_tables) {
    const auto changed = [](std::size_t offset, std::uint64_t value, unsigned size) {
        auto builder = chained({.imports = {{"_f"}}}, {});
        put(builder.chained, offset, value, size);
        return builder.build();
    };
    const auto size = chained({.imports = {{"_f"}}}, {}).chained.size();
    const auto beyond = [&](const std::string& what, std::uint64_t offset) {
        return what + ", at " + hex(offset) + ", is not within the chained fixups, which have " + hex(size) + " bytes";
    };
    constexpr auto info = ChainedTable::segment_starts;
    check_malformed(changed(4, 0xfffffff0, 4), 0x2000,
                    beyond("the number of segments with chained fixups", 0xfffffff0));
    check_malformed(changed(8, 0xfffffff0, 4), 0x2000, beyond("the table of imports", 0xfffffff0));
    check_malformed(changed(16, 0xffffffff, 4), 0x2000, beyond("the table of imports", 80));
    check_malformed(changed(12, 0xffffff00, 4), 0x2000, beyond("the name of an import", 0xffffff00));
    check_malformed(changed(ChainedTable::starts, 4, 4), 0x2000 + 32, "there are chained fixups for 4 segments of 3");
    check_malformed(changed(ChainedTable::starts + 8, 0xfffffff0, 4), 0x2000,
                    beyond("the chained fixups of a segment", 0x100000014));
    check_malformed(changed(info + 4, 4, 2), 0x2000 + info + 4, "a page size of 4 bytes");
    check_malformed(changed(info + 8, 0x2000, 8), 0x2000 + info + 8,
                    "the chained fixups are for the address 0x2000, the segment '__DATA' is at 0x1000");
    check_malformed(
        changed(info + 20, 0xffff, 2), 0x2000,
        "a chain of fixups starts or goes on at 0x1000 of the segment '__DATA', which has 0x1000 bytes in the file");
    check_malformed(changed(info + 22, 0x8000, 2), 0x2000 + info + 22,
                    "a page has several chains, as 32-bit images only may have");
    check_too_much(changed(0, 1, 4), "it has chained fixups of version 1");
    check_too_much(changed(20, 4, 4), "it has chained imports of format 4");
    check_too_much(changed(24, 1, 4), "the names of its chained fixups are compressed");
    check_too_much(changed(info + 6, 3, 2), "it has chained fixups of pointer format 3");
}

// ---- opcodes ------------------------------------------------------------------------------------------------------

namespace {

MachBuilder with_opcodes(const test::DyldInfoTables& info, std::map<unsigned, std::uint64_t> data = {}) {
    MachBuilder builder;
    builder.trie = module_trie();
    builder.has_info = true;
    builder.info = info;
    builder.data = std::move(data);
    return builder;
}

/// Opcodes and texts, put together.
File code(std::initializer_list<std::variant<int, std::string_view>> parts) {
    File result;
    for (const auto& part : parts) {
        if (const auto* text = std::get_if<std::string_view>(&part))
            append(result, *text);
        else
            result.push_back(static_cast<std::uint8_t>(std::get<int>(part)));
    }
    return result;
}

/// SET_SEGMENT_AND_OFFSET of __DATA.
constexpr int rebase_data = 0x21, bind_data = 0x71;

}  // namespace

BOOST_AUTO_TEST_CASE(rebase_opcodes) {
    auto builder = with_opcodes({.rebase = code({0x11, rebase_data, 0x10, 0x52,  // two at 0x10
                                                 0x41, 0x51,                     // one at 0x28
                                                 0x30, 0x10, 0x60, 0x01,         // one at 0x40
                                                 0x70, 0x08,                     // one at 0x48, then 16 on
                                                 0x80, 0x02, 0x08,               // at 0x58 and 0x68
                                                 0x00, 0xff}),
                                 .bind = {},
                                 .weak_bind = {},
                                 .lazy_bind = {}},
                                {{0x10, 0x100}, {0x18, 0x108}, {0x68, 0x120}});
    check_fixups(read(builder.build()), {"1010 rebase 100", "1018 rebase 108", "1028 rebase 0", "1040 rebase 0",
                                         "1048 rebase 0", "1058 rebase 0", "1068 rebase 120"});
}

BOOST_AUTO_TEST_CASE(rebase_goes_backwards) {
    // As linkers write -16: a number of ten bytes.
    File rebase = code({0x11, rebase_data, 0x20, 0x51, 0x30});
    append_uleb(rebase, static_cast<std::uint64_t>(-0x18));
    rebase.push_back(0x51);
    check_fixups(read(with_opcodes({.rebase = rebase, .bind = {}, .weak_bind = {}, .lazy_bind = {}}).build()),
                 {"1010 rebase 0", "1020 rebase 0"});
}

BOOST_AUTO_TEST_CASE(rebase_of_narrow_images) {
    auto builder = with_opcodes({.rebase = code({0x11, rebase_data, 0x10, 0x51, 0x12, 0x51, 0x13, 0x51}),
                                 .bind = {},
                                 .weak_bind = {},
                                 .lazy_bind = {}},
                                {{0x10, 0x100}, {0x14, 0x104}});
    builder.wide = false;
    builder.cpu = 7;
    check_fixups(read(builder.build()), {"1010 rebase 100 (4)", "1014 rebase 104 (4)"});
    builder.little = false;
    check_fixups(read(builder.build()), {"1010 rebase 100 (4)", "1014 rebase 104 (4)"});
}

BOOST_AUTO_TEST_CASE(bind_opcodes) {
    using namespace std::string_view_literals;
    const auto bind = code({0x11, 0x40,   "_f"sv, 0x51, bind_data, 0x00, 0x90,  // 0: f of library 1
                            0x41, "_g"sv, 0x3e,   0x60, 0x7c,      0xa0, 0x08,  // 8: g, flat, weak, -4; then 16 on
                            0x60, 0x00,   0xb1,                                 // 0x18: then 16 on
                            0xc0, 0x02,   0x08,                                 // 0x28 and 0x38
                            0x40, "_h"sv, 0x20,   0x01, 0x80,      0x10, 0x90, 0x00, 0xff});  // 0x58: h of library 1
    check_fixups(
        read(with_opcodes({.rebase = {}, .bind = bind, .weak_bind = {}, .lazy_bind = {}}).build()),
        {"1000 import f@/usr/lib/libSystem.B.dylib", "1008 import g weak + fffffffffffffffc", "1018 import g weak",
         "1028 import g weak", "1038 import g weak", "1058 import h@/usr/lib/libSystem.B.dylib"});
}

BOOST_AUTO_TEST_CASE(lazy_and_weak_binds) {
    using namespace std::string_view_literals;
    // Lazy pointers are rebased as well; DONE ends one bind, not the table.
    test::DyldInfoTables info;
    info.rebase = code({0x11, rebase_data, 0x00, 0x54});
    info.bind = code({0x11, 0x40, "_own"sv, bind_data, 0x20, 0x90});
    info.weak_bind = code({0x40, "_own"sv, bind_data, 0x10, 0x90, 0x90, 0x90, 0x90});  // 0x10, 0x18, 0x20, 0x28
    info.lazy_bind =
        code({bind_data, 0x00, 0x11, 0x40, "_f"sv, 0x90, 0x00, bind_data, 0x08, 0x3e, 0x40, "_g"sv, 0x90, 0x00, 0x00});
    const Image image = read(with_opcodes(info).build());
    check_fixups(image, {"1000 import f@/usr/lib/libSystem.B.dylib", "1008 import g", "1010 rebase 0", "1018 rebase 0",
                         "1020 import own@/usr/lib/libSystem.B.dylib", "1028 import own"});
    for (const Import& import : image.imports) BOOST_TEST(import.function == (import.name != "own"));
}

// As the linker of Xcode 14 writes it for operator delete: each bind of it stands there twice, and each weak bind.
BOOST_AUTO_TEST_CASE(the_last_bind_of_a_place_counts) {
    using namespace std::string_view_literals;
    const auto twice = code({0x11, 0x40, "_f"sv, bind_data, 0x10, 0x90, bind_data, 0x10, 0x90});
    const auto libf = "1010 import f@/usr/lib/libSystem.B.dylib";
    test::DyldInfoTables info;
    info.bind = twice;
    check_fixups(read(with_opcodes(info).build()), {libf});
    info.rebase = code({0x11, rebase_data, 0x08, 0x52});
    info.weak_bind = code(
        {0x40, "_f"sv, bind_data, 0x10, 0x90, bind_data, 0x10, 0x90, bind_data, 0x18, 0x90, bind_data, 0x18, 0x90});
    check_fixups(read(with_opcodes(info).build()), {"1008 rebase 0", libf, "1018 import f"});
    // What differs: dyld goes through the table in its order, and through the lazy binds after the others.
    info.weak_bind = {};
    info.bind = code({0x11, 0x40, "_g"sv, bind_data, 0x10, 0x90, 0x40, "_f"sv, bind_data, 0x10, 0x90});
    check_fixups(read(with_opcodes(info).build()), {"1008 rebase 0", libf});
    info.bind = code({0x11, 0x40, "_f"sv, bind_data, 0x10, 0x90, 0x40, "_g"sv, bind_data, 0x10, 0x90});
    check_fixups(read(with_opcodes(info).build()), {"1008 rebase 0", "1010 import g@/usr/lib/libSystem.B.dylib"});
    info.lazy_bind = code({bind_data, 0x10, 0x11, 0x40, "_f"sv, 0x90, 0x00});
    check_fixups(read(with_opcodes(info).build()), {"1008 rebase 0", libf});
}

BOOST_AUTO_TEST_CASE(damaged_opcodes) {
    using namespace std::string_view_literals;
    const auto rebase = [](const File& content) {
        return with_opcodes({.rebase = content, .bind = {}, .weak_bind = {}, .lazy_bind = {}}).build();
    };
    const auto bind = [](const File& content) {
        return with_opcodes({.rebase = {}, .bind = content, .weak_bind = {}, .lazy_bind = {}}).build();
    };
    check_malformed(rebase(code({0x90})), 0x2000, "the rebase opcode 0x90 is not known");
    check_malformed(rebase(code({0x11, 0x51})), 0x2001, "a fixup before a segment was chosen");
    check_malformed(rebase(code({0x11, 0x23, 0x00})), 0x2001, "segment number 3 does not exist: there are 3");
    check_malformed(rebase(code({rebase_data, 0x80})), 0x2002, "the rebase opcodes end within an entry");
    check_malformed(rebase(code({0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})), 0x2001,
                    "a number has more than 64 bits");
    check_malformed(rebase(code({rebase_data, 0x80, 0x20, 0x51})), 0x2003,
                    "the place to relocate at address 0x2000 is not within a segment");
    check_malformed(rebase(code({rebase_data, 0xfc, 0x1f, 0x51})), 0x2003,
                    "the place to relocate at address 0x1ffc is not within a segment");
    File overlapping = code({rebase_data, 0x00, 0x51, 0x30});
    append_uleb(overlapping, static_cast<std::uint64_t>(-4));
    overlapping.push_back(0x51);
    check_malformed(rebase(overlapping), 0x1004, "two fixups overlap at address 0x1004");
    check_malformed(rebase(code({rebase_data, 0x00, 0x51, rebase_data, 0x00, 0x51})), 0x1000,
                    "two fixups relocate the same word, at address 0x1000");
    check_malformed(bind(code({0x11, 0x40, "_f"sv, bind_data, 0x00, 0x90, bind_data, 0x04, 0x90})), 0x1004,
                    "two fixups overlap at address 0x1004");
    check_malformed(bind(code({0xe0})), 0x2000, "the bind opcode 0xe0 is not known");
    check_malformed(bind(code({bind_data, 0x00, 0x90})), 0x2002, "a bind before its symbol was named");
    check_malformed(bind(code({0x12, 0x40, "_f"sv, bind_data, 0x00, 0x90})), 0x2007,
                    "library number 2 does not exist: there are 1");
    check_malformed(bind(code({0x3c, 0x40, "_f"sv, bind_data, 0x00, 0x90})), 0x2007,
                    "the library number -4 is not known");
    check_malformed(bind(code({0x20, 0x80, 0x80, 0x04})), 0x2000, "the library number 0x10000 is too large");
    check_malformed(bind(code({0x40, 'f'})), 0x2001, "the bind opcodes has no end");
    check_too_much(bind(code({0xd0})), "it has threaded binds, as the linker of Xcode 10 wrote them for arm64e");
}

BOOST_AUTO_TEST_CASE(opcodes_that_run_away) {
    using namespace std::string_view_literals;
    // A few bytes that ask for 2^63 fixups: to places beyond the segment, to the same place, to no place at all.
    const auto many = [](File content, std::uint64_t skip) {
        append_uleb(content, 1ull << 63);
        append_uleb(content, skip);
        return content;
    };
    const auto rebase = [](const File& content) {
        return with_opcodes({.rebase = content, .bind = {}, .weak_bind = {}, .lazy_bind = {}}).build();
    };
    check_malformed(rebase(many(code({rebase_data, 0x00, 0x80}), 0)), 0x2002,
                    "the place to relocate at address 0x2000 is not within a segment");
    const std::string too_many = "there are more places to relocate than the file has room for";
    check_malformed(rebase(many(code({rebase_data, 0x00, 0x80}), static_cast<std::uint64_t>(-8))), 0x2002, too_many);
    check_malformed(rebase(many(code({0x13, rebase_data, 0x00, 0x80}), 0)), 0x2003, too_many);
    const auto bind = many(code({0x53, 0x40, "_f"sv, 0x11, bind_data, 0x00, 0xc0}), 0);
    check_malformed(with_opcodes({.rebase = {}, .bind = bind, .weak_bind = {}, .lazy_bind = {}}).build(), 0x2008,
                    too_many);
}

// ---- exports ------------------------------------------------------------------------------------------------------

namespace {

File with_trie(const File& trie) {
    MachBuilder builder;
    builder.trie = trie;
    return builder.build();
}

}  // namespace

BOOST_AUTO_TEST_CASE(re_exports_are_forwards) {
    // Flags, number of the library, name there; none if it is the same.
    File entry = {8, 1};
    append(entry, "_PyInit_other");
    Image image = read(with_trie(trie_of("_PyInit_x", entry)));
    BOOST_REQUIRE_EQUAL(image.exports.size(), 1u);
    BOOST_TEST(image.exports[0].forward == "/usr/lib/libSystem.B.dylib.PyInit_other");
    BOOST_TEST(image.exports[0].address == 0u);
    image = read(with_trie(trie_of("_PyInit_x", {8, 1, 0})));
    BOOST_REQUIRE_EQUAL(image.exports.size(), 1u);
    BOOST_TEST(image.exports[0].forward == "/usr/lib/libSystem.B.dylib.PyInit_x");
}

BOOST_AUTO_TEST_CASE(exports_are_relative_to_the_header) {
    MachBuilder builder;
    builder.base = 0x100000000;
    builder.trie = module_trie();
    BOOST_TEST(read(builder.build()).exports.at(0).address == 0x100000800u);
    builder.trie = trie_of("_PyInit_x", {2, 0x80, 0x10});  // absolute
    BOOST_TEST(read(builder.build()).exports.at(0).address == 0x800u);
}

BOOST_AUTO_TEST_CASE(only_entry_points_are_exports) {
    for (const auto* name : {"PyInit_x", "__PyInit_x", "_PyInit_", "_PyInix_x", "_main", "_"})
        BOOST_TEST(read(with_trie(trie_of(name, {0, 0}))).exports.empty());
    for (const auto* name : {"_PyModExportU_x", "_il_module_export_x"})
        BOOST_TEST(read(with_trie(trie_of(name, {0, 0}))).exports.size() == 1u);
}

BOOST_AUTO_TEST_CASE(own_exports_are_known_when_they_are_imported) {
    // The root has two children.
    File trie = {0, 2};
    append(trie, "_PyInit_x");
    trie.push_back(26);
    append(trie, "_own");
    trie.push_back(31);
    trie.resize(26);
    for (const int byte : {3, 0, 0x80, 0x10, 0}) trie.push_back(static_cast<std::uint8_t>(byte));
    BOOST_REQUIRE_EQUAL(trie.size(), 31u);
    for (const int byte : {3, 0, 0x90, 0x10, 0}) trie.push_back(static_cast<std::uint8_t>(byte));
    for (const int ordinal : {-2, 1}) {
        auto builder = chained({.imports = {{"_own", ordinal}}}, {{0, bind_64}});
        builder.trie = trie;
        const Image image = read(builder.build());
        BOOST_TEST((image.find_export("own") != nullptr) == (ordinal == -2));
        if (const auto* own = image.find_export("own")) BOOST_TEST(own->address == 0x810u);
    }
}

BOOST_AUTO_TEST_CASE(damaged_tries) {
    const auto at = [] {
        MachBuilder builder;
        builder.trie = module_trie();
        builder.build();
        return builder.trie_at;
    }();
    const auto node = [](std::string_view edge, int target) {
        File trie = {0, 1};
        append(trie, edge);
        trie.push_back(static_cast<std::uint8_t>(target));
        return trie;
    };
    check_malformed(with_trie(node("_PyInit_", 0)), at, "a node of the export trie is reached twice");
    check_malformed(with_trie(node("", 0)), at, "a node of the export trie is reached twice");
    check_malformed(with_trie(node("_P", 100)), at + 5,
                    "the node 0x64 is not within the export trie, which has 0x6 bytes");
    check_malformed(with_trie({5}), at, "an entry of the export trie with 5 bytes is not within the trie");
    check_malformed(with_trie({0}), at + 1, "the entries of the export trie end within an entry");
    check_malformed(with_trie({0, 255}), at + 2, "the entries of the export trie end within an entry");
    check_malformed(with_trie({0, 1, '_', 'P'}), at + 2, "the entries of the export trie has no end");
    check_malformed(with_trie(trie_of("_PyInit_x", {0})), at + 15,
                    "the entries of the export trie end within an entry");
    check_malformed(with_trie(trie_of("_PyInit_x", {0, 0xff, 0xff, 0x7f})), at + 14,
                    "the address 0x1fffff of the export 'PyInit_x' is not within a segment");
    check_malformed(with_trie(trie_of("_PyInit_x", {8, 9, 0})), at + 14,
                    "library number 9 does not exist: there are 1");
}

BOOST_AUTO_TEST_CASE(a_deep_trie_ends) {
    // One character for each of 100000 levels: names are followed as far as anybody may ask for them.
    File trie;
    for (unsigned level = 0; level < 100000; ++level) {
        const std::string_view start = "_PyInit_";
        const auto next = trie.size() + 2 + 2 + 3;
        trie.push_back(0);
        trie.push_back(1);
        trie.push_back(static_cast<std::uint8_t>(level < start.size() ? start[level] : 'x'));
        trie.push_back(0);
        for (const auto shift : {0u, 7u, 14u})
            trie.push_back(static_cast<std::uint8_t>((next >> shift & 0x7f) | (shift < 14 ? 0x80 : 0)));
    }
    trie.push_back(0);
    trie.push_back(0);
    BOOST_TEST(read(with_trie(trie)).exports.empty());
}
