// What is known without a run is what a run finds, also of files in which a byte was changed; and what cannot be known
// like that is run.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_constants
#include <boost/test/unit_test.hpp>

#include <fmt/format.h>
#include <string>
#include <vector>

#include "audit/image/fixture_files.hpp"
#include "emulation/constant_definition.hpp"
#include "emulation/init_run.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::emulation;
using namespace interlock::auditing::image;

namespace {

using File = std::vector<std::uint8_t>;

File module(const std::string& name) {
    return test::file_bytes(std::filesystem::path(INTERLOCK_TEST_MODULES) / (name + ".so"));
}

/// What the entry point says; with details it is always run.
InitResult result_of(const Image& image, const Export& entry, bool free_threaded, bool details) {
    static InitRunner runner;
    return runner.run(image, entry,
                      {.free_threaded = free_threaded, .minor = 13, .budget = 3'000'000, .details = details});
}

/// All that a verdict is made of; addresses are shown as those in the file only to who asked for details.
std::string text_of(const InitResult& result) {
    std::string text = fmt::format("phase {}; {} {}; complete {}, library {}; {} assumed, {} doubts", int(result.phase),
                                   result.failure, result.cut_short, result.complete, result.used_library,
                                   result.assumed.size(), result.doubts.size());
    if (!result.definition) return text;
    const Definition& definition = *result.definition;
    text += fmt::format("; {} '{}' {} {} {}", definition.free_threaded, definition.name, definition.state_size,
                        definition.has_slots, definition.slots.problem);
    for (const SlotSeen& slot : definition.slots.all)
        text += fmt::format("; {} {} {} {}", slot.id, slot.pointer ? "pointer" : std::to_string(slot.value), slot.depth,
                            slot.known);
    return text;
}

/// How many entry points of the file are known without a run; these must be as a run finds them.
std::size_t compared(const File& file, const std::string& what, bool free_threaded = true) {
    std::size_t known = 0;
    const auto images = read_images(file, what);
    if (!images) return 0;
    for (const Image& image : *images)
        for (const Export& entry : image.exports) {
            if (!entry.name.starts_with("PyInit_")) continue;
            if (!constant_definition(image, entry, free_threaded)) continue;
            ++known;
            const std::string quick = text_of(result_of(image, entry, free_threaded, false));
            const std::string run = text_of(result_of(image, entry, free_threaded, true));
            BOOST_TEST(quick == run, what << ": " << quick << ", and a run: " << run);
        }
    return known;
}

}  // namespace

BOOST_AUTO_TEST_CASE(fixtures) {
    std::size_t known = 0;
    for (const test::Fixture& fixture : test::all_fixtures()) {
        known += compared(fixture.bytes, fixture.name);
        compared(fixture.bytes, fixture.name, false);
    }
    if (has_emulator()) BOOST_TEST(known > 10u);
}

BOOST_AUTO_TEST_CASE(only_what_hands_over) {
    for (const char* name :
         {"multi_free", "multi_used", "multi_late_slots", "single_free", "returns_other_definition"}) {
        const auto file = test::fixture_bytes(fmt::format("elf-x86_64/{}.cpython-313t-x86_64-linux-gnu.so", name));
        const auto images = read_images(file, name);
        const Image& image = images->front();
        const Export* entry = image.find_export(fmt::format("PyInit_{}", name));
        const bool hands_over = std::string_view(name) == "multi_free" || std::string_view(name) == "multi_used";
        BOOST_TEST(only_hands_over(image, *entry) == hands_over, name);
    }
}

#ifdef __x86_64__

BOOST_AUTO_TEST_CASE(what_a_constructor_changes) {
    if (!has_emulator()) return;
    BOOST_TEST(compared(module("handed_over"), "handed_over") == 1u);
    const File file = module("handed_over_patched");
    BOOST_TEST(compared(file, "handed_over_patched") == 0u);
    const auto images = read_images(file, "handed_over_patched");
    const InitResult result =
        result_of(images->front(), *images->front().find_export("PyInit_handed_over"), true, false);
    BOOST_REQUIRE(result.definition.has_value());
    BOOST_REQUIRE(result.definition->slots.gil.size() == 1u);
    BOOST_TEST(result.definition->slots.gil.front().value == 0u);
}

// Start-up code, stubs, addresses, the definition and its slots: whatever a byte of them becomes is noticed.
BOOST_AUTO_TEST_CASE(no_byte_is_overlooked) {
    if (!has_emulator()) return;
    const File file = module("handed_over");
    const auto images = read_images(file, "handed_over");
    std::size_t known = 0, refused = 0;
    for (const Segment& segment : images->front().segments) {
        if (!segment.writable && !segment.executable) continue;
        const auto begin = static_cast<std::size_t>(segment.data.data() - file.data());
        for (std::size_t i = begin; i < begin + segment.data.size(); ++i) {
            if (file[i] == 0) continue;
            for (const unsigned change : {0x01u, 0x80u, 0xffu}) {
                File changed = file;
                changed[i] = static_cast<std::uint8_t>(changed[i] ^ change);
                (compared(changed, fmt::format("byte {} ^ {}", i, change)) == 1 ? known : refused) += 1;
            }
        }
    }
    BOOST_TEST_MESSAGE(known << " as before, " << refused << " not known");
    BOOST_TEST(refused > 100u);
}

#endif
