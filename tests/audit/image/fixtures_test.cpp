// fixtures_test.cpp: what the readers make of each compiled fixture, and that the table of expected verdicts is about
// the fixtures that there are.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_fixtures
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "base/glob.hpp"
#include "fixture_files.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using namespace interlock::test;

namespace {

struct Target {
    Architecture architecture;
    bool wide, little;
    std::string_view description, platform;
};

/// By the start of the folder's name; the longest counts.
const std::map<std::string, Target> targets = {
    {"elf-x86_64", {Architecture::x86_64, true, true, "ELF64 little-endian", "linux"}},
    {"elf-i386", {Architecture::i386, false, true, "ELF32 little-endian", "linux"}},
    {"elf-aarch64", {Architecture::aarch64, true, true, "ELF64 little-endian", "linux"}},
    {"elf-arm", {Architecture::arm, false, true, "ELF32 little-endian", "linux"}},
    {"elf-ppc64le", {Architecture::ppc64le, true, true, "ELF64 little-endian", "linux"}},
    {"elf-s390x", {Architecture::s390x, true, false, "ELF64 big-endian", "linux"}},
    {"elf-riscv64", {Architecture::riscv64, true, true, "ELF64 little-endian", "linux"}},
    {"pe-x86_64", {Architecture::x86_64, true, true, "PE32+", "windows"}},
    {"pe-i386", {Architecture::i386, false, true, "PE32", "windows"}},
    {"pe-arm64", {Architecture::aarch64, true, true, "PE32+", "windows"}},
    {"macho-x86_64", {Architecture::x86_64, true, true, "Mach-O 64-bit", "macos"}},
    {"macho-arm64", {Architecture::aarch64, true, true, "Mach-O 64-bit", "macos"}},
};

std::vector<Target> targets_of(const Fixture& fixture) {
    if (fixture.is("macho-fat")) return {targets.at("macho-x86_64"), targets.at("macho-arm64")};
    for (const auto& [name, target] : targets)
        if (fixture.target == name || fixture.is((name + "-").c_str())) return {target};
    return {};
}

const std::vector<Fixture>& fixtures() {
    static const std::vector<Fixture> all = all_fixtures();
    return all;
}

std::string stem(const Fixture& fixture) {
    const auto name = fixture.path.filename().string();
    return name.substr(0, name.find('.'));
}

const Import* import_named(const Image& image, std::string_view name) {
    const auto found = std::ranges::find(image.imports, name, &Import::name);
    return found == image.imports.end() ? nullptr : &*found;
}

Image only_image(const std::vector<std::uint8_t>& bytes) {
    auto images = read_images(bytes, "fixture");
    BOOST_REQUIRE_MESSAGE(images.ok(), why(images));
    BOOST_REQUIRE_EQUAL(images->size(), 1u);
    return images->front();
}

/// The number at an address, after relocation.
std::uint64_t word_at(const Image& image, std::uint64_t address) {
    const auto fixup = std::ranges::lower_bound(image.fixups, address, {}, &Fixup::address);
    if (fixup != image.fixups.end() && fixup->address == address) {
        BOOST_REQUIRE(fixup->kind == Fixup::Kind::rebase);
        return fixup->value;
    }
    const auto bytes = image.bytes_at(address, image.wide ? 8 : 4);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        value |= std::uint64_t{bytes[i]} << 8 * (image.little ? i : bytes.size() - 1 - i);
    return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_fixture_is_read) {
    BOOST_TEST(fixtures().size() >= 250u);
    for (const Fixture& fixture : fixtures()) {
        BOOST_TEST_CONTEXT(fixture.name) {
            const auto images = read_images(fixture.bytes, fixture.name);
            BOOST_TEST_INFO(why(images));
            BOOST_TEST(images.ok());
            const auto expected = targets_of(fixture);
            if (!images.ok()) continue;
            BOOST_REQUIRE_EQUAL(images->size(), expected.size());
            for (std::size_t i = 0; i < expected.size(); ++i) {
                const Image& image = (*images)[i];
                BOOST_TEST(broken_promise(image, fixture.bytes) == "");
                BOOST_TEST(architecture_name(image.architecture) == architecture_name(expected[i].architecture));
                BOOST_TEST(image.wide == expected[i].wide);
                BOOST_TEST(image.little == expected[i].little);
                BOOST_TEST(image.description == expected[i].description);
                BOOST_TEST(image.platform == expected[i].platform);
                BOOST_TEST(image.unknown_fixups == 0u);
                // Made with build identities of each format: SHA-1, GUID and age, UUID. Headless ones keep it as well.
                const std::size_t id_size = fixture.is("elf") ? 40 : fixture.is("pe") ? 33 : 32;
                BOOST_TEST(image.build_id.size() == id_size);
                const std::string name = stem(fixture);
                BOOST_TEST(image.exports.empty() == (name == "no_init" || name == "bundled" || name == "libbundled"));
            }
        }
    }
}

/// What the readers are for: from the entry point's module definition to its slots, through all kinds of fixups.
BOOST_AUTO_TEST_CASE(slots_are_found_through_fixups) {
    std::size_t checked = 0;
    for (const Fixture& fixture : fixtures()) {
        if (stem(fixture) != "multi_free" || fixture.name.find("315") != std::string::npos) continue;
        const auto images = read_images(fixture.bytes, fixture.name);
        if (!images.ok()) continue;  // told by every_fixture_is_read
        for (const Image& image : *images) {
            BOOST_TEST_CONTEXT(fixture.name << ' ' << architecture_name(image.architecture)) {
                const bool free_threaded =
                    fixture.name.find("3t") != std::string::npos || fixture.name.find("314t") != std::string::npos;
                const bool gil_layout = fixture.is("elf-x86_64-mistagged") || !free_threaded;
                const unsigned word = image.wide ? 8 : 4;
                const unsigned to_name = image.wide ? (gil_layout ? 40 : 56) : (gil_layout ? 20 : 32);
                const unsigned to_slots = image.wide ? (gil_layout ? 72 : 88) : (gil_layout ? 36 : 48);
                // m_name is one of the rebased words; m_slots is at a fixed distance behind it.
                bool found = false;
                for (const Fixup& fixup : image.fixups) {
                    if (fixup.kind != Fixup::Kind::rebase) continue;
                    const auto text = image.bytes_at(fixup.value, 11);
                    if (text.size() != 11 || !std::equal(text.begin(), text.end(), "multi_free")) continue;
                    const auto slots = word_at(image, fixup.address + to_slots - to_name);
                    const auto first_id = word_at(image, slots) & 0xffffffff,
                               second_id = word_at(image, slots + 2 * word);
                    const auto id = image.little || !image.wide ? second_id & 0xffffffff : second_id >> 32;
                    BOOST_TEST((image.little || !image.wide ? first_id : word_at(image, slots) >> 32) == 2u);
                    BOOST_TEST(id == 4u);
                    BOOST_TEST(word_at(image, slots + 3 * word) == 1u);
                    found = true;
                }
                BOOST_TEST(found);
                ++checked;
            }
        }
    }
    BOOST_TEST(checked >= 40u);
}

BOOST_AUTO_TEST_CASE(imports_are_named) {
    for (const Fixture& fixture : fixtures()) {
        if (stem(fixture) != "stateful") continue;
        BOOST_TEST_CONTEXT(fixture.name) {
            const Image image = only_image(fixture.bytes);
            for (const auto* name : {"PyModuleDef_Init", "strtok", "PyList_GetItem", "PyDict_GetItem"}) {
                const Import* import = import_named(image, name);
                BOOST_TEST_CONTEXT(name) { BOOST_REQUIRE(import != nullptr); }
                BOOST_TEST(!import->weak);
                if (fixture.is("pe")) BOOST_TEST(import->library == "python313t.dll");
                if (fixture.is("macho"))
                    BOOST_TEST(import->library ==
                               (std::string_view(name) == "strtok" ? "/usr/lib/libSystem.B.dylib" : ""));
                if (fixture.is("macho")) BOOST_TEST(import->function);
            }
            BOOST_TEST(image.writable_globals >= 100000u);
            BOOST_TEST(image.writable_globals < 102000u);
        }
    }
}

BOOST_AUTO_TEST_CASE(thread_local_blocks) {
    std::size_t checked = 0;
    for (const Fixture& fixture : fixtures()) {
        if (stem(fixture) != "thread_local") continue;
        BOOST_TEST_CONTEXT(fixture.name) {
            const Image image = only_image(fixture.bytes);
            // An int with the value 4 and one with 0. On Windows a byte is before them, and they are the other way
            // round.
            BOOST_TEST(image.tls_size == (fixture.is("pe") ? 12u : 8u));
            BOOST_TEST(image.tls_alignment == 4u);
            BOOST_REQUIRE(image.tls_data.size() >= (fixture.is("pe") ? 12u : 4u));
            const auto value_at = [&](std::size_t offset) { return image.tls_data[offset + (image.little ? 0 : 3)]; };
            BOOST_TEST(value_at(fixture.is("pe") ? 8 : 0) == 4);
            BOOST_TEST((image.tls_index_address != 0) == fixture.is("pe"));
            if (fixture.is("macho")) {
                const auto bootstrap = std::ranges::count_if(image.fixups, [&](const Fixup& fixup) {
                    return fixup.kind == Fixup::Kind::import && image.imports[fixup.import].name == "_tlv_bootstrap";
                });
                BOOST_TEST(bootstrap == 2);
            }
            ++checked;
        }
    }
    BOOST_TEST(checked == 14u);
}

BOOST_AUTO_TEST_CASE(forwarded_entry_point) {
    const auto bytes = fixture_bytes("pe-x86_64/forwarded.cp313t-win_amd64.pyd");
    const Image image = only_image(bytes);
    const Export* entry = image.find_export("PyInit_forwarded");
    BOOST_REQUIRE(entry != nullptr);
    BOOST_TEST(entry->forward == "acme.PyInit_forwarded");
    BOOST_TEST(entry->address == 0u);
}

BOOST_AUTO_TEST_CASE(delay_import_is_bound_like_an_import) {
    for (const auto* name :
         {"pe-x86_64/delay_import.cp313t-win_amd64.pyd", "pe-arm64/delay_import.cp313t-win_arm64.pyd"}) {
        const auto bytes = fixture_bytes(name);
        const Image image = only_image(bytes);
        BOOST_REQUIRE_EQUAL(image.imports.size(), 1u);
        BOOST_TEST(image.imports[0].name == "PyModuleDef_Init");
        BOOST_TEST(image.imports[0].library == "python313t.dll");
        const auto bound = std::ranges::count(image.fixups, Fixup::Kind::import, &Fixup::kind);
        BOOST_TEST(bound == 1);
        BOOST_REQUIRE_EQUAL(image.libraries.size(), 1u);
        BOOST_TEST(image.libraries[0] == "python313t.dll");
    }
}

BOOST_AUTO_TEST_CASE(several_entry_points_in_order) {
    const auto bytes = fixture_bytes("elf-x86_64/several_inits.cpython-313t-x86_64-linux-gnu.so");
    const Image image = only_image(bytes);
    std::vector<std::string_view> names;
    for (const auto& entry : image.exports) names.push_back(entry.name);
    const std::vector<std::string_view> expected = {"PyInit_second", "PyInit_several_inits", "PyInit_third"};
    BOOST_TEST(names == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(relro_is_no_writable_global) {
    const auto bytes = fixture_bytes("macho-arm64-chained/stateful.cpython-313t-darwin.so");
    const Image image = only_image(bytes);
    BOOST_TEST(std::ranges::count(image.segments, true, &Segment::relro) == 1);
    BOOST_TEST(std::ranges::count(image.segments, true, &Segment::executable) == 1);
}

BOOST_AUTO_TEST_CASE(the_image_may_be_copied) {
    const auto bytes = fixture_bytes("macho-arm64-chained/multi_free.cpython-313t-darwin.so");
    const auto copy = [&] { return only_image(bytes); }();
    BOOST_TEST(copy.exports[0].name == "PyInit_multi_free");  // from the export trie: not in one piece in the file
}

// ---- the table of expected verdicts -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(expected_verdicts_are_about_the_fixtures) {
    const auto text = file_bytes(AUDIT_FIXTURES_EXPECTED);
    const auto table = nlohmann::json::parse(text.begin(), text.end());
    std::set<std::string> used;
    const auto first_match = [&](const char* part, const std::string& name) {
        for (const auto& entry : table.at(part)) {
            const auto pattern = entry.at("pattern").get<std::string>();
            BOOST_REQUIRE_MESSAGE(!base::check_glob(pattern), pattern);
            if (base::glob_match(pattern, name)) {
                used.insert(part + pattern);
                return entry;
            }
        }
        return nlohmann::json();
    };
    for (const Fixture& fixture : fixtures()) {
        BOOST_TEST_CONTEXT(fixture.name) {
            BOOST_TEST(!first_match("abi", fixture.name).is_null());
            const auto entry = first_match("files", fixture.name);
            BOOST_REQUIRE(!entry.is_null());
            std::set<std::string> expected, actual;
            for (const auto& module : entry.at("modules"))
                if (const auto point = module.value("entry_point", std::string()); !point.empty())
                    expected.insert(point);
            const auto images = read_images(fixture.bytes, fixture.name);
            if (!images.ok()) continue;
            for (const auto& exported : images->front().exports) actual.insert(std::string(exported.name));
            BOOST_TEST(std::ranges::includes(actual, expected), "an entry point of the table is not in the file");
        }
    }
    for (const char* part : {"abi", "files"})
        for (const auto& entry : table.at(part))
            BOOST_TEST(used.contains(part + entry.at("pattern").get<std::string>()), entry.at("pattern")
                                                                                         << " matches no fixture");
}
