// Files that ask for too much: more memory than their share, thread-local data at an absurd alignment, constructors
// without end. What is right about them is still found out.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_hostile
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string_view>

#include <interlock/audit.hpp>

#include "audit/image/fixture_files.hpp"
#include "audit/image/patching.hpp"
#include "audit/inputs/archive_maker.hpp"
#include "emulation/guest.hpp"
#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::emulation;
using namespace interlock::auditing::image;
using namespace interlock::auditing::verdict;

namespace {

const std::string linux_name = ".cpython-313t-x86_64-linux-gnu.so", macos_name = ".cpython-313t-darwin.so";

ModuleAudit judged(const test::Image& image, const std::string& name) {
    const BinaryContext context{.path = name, .module_path = name, .disk_path = {}, .manifest = {}};
    AuditOptions options;
    options.details = true;
    const auto audits = audit_binary(image, context, options);
    BOOST_REQUIRE_MESSAGE(audits.ok(), (audits ? "" : audits.error().message));
    return audits->at(0).modules.at(0);
}

std::size_t place_of(const test::Image& image, std::string_view text) {
    const auto found = std::ranges::search(image, text, {}, {}, [](char c) { return static_cast<std::uint8_t>(c); });
    BOOST_REQUIRE(!found.empty());
    return static_cast<std::size_t>(found.begin() - image.begin());
}

}  // namespace

BOOST_AUTO_TEST_CASE(thread_local_data_of_any_alignment) {
    if (!has_emulator()) return;
    for (const std::string target : {"macho-x86_64-chained", "macho-arm64-chained"})
        for (const unsigned alignment : {12u, 22u, 31u, 32u, 0xffff'ffffu}) BOOST_TEST_CONTEXT(target << alignment) {
                test::Image image = test::fixture_bytes(target + "/thread_local" + macos_name);
                // The name of the section, that of its segment, address, size, offset.
                test::put(image, place_of(image, "__thread_data") + 16 + 16 + 8 + 8 + 4, alignment, 4);
                const ModuleAudit module = judged(image, "thread_local" + macos_name);
                BOOST_TEST(verdict_name(module.verdict) == "free", module.reason);
                BOOST_TEST(confidence_name(module) == "certain");
            }
}

BOOST_AUTO_TEST_CASE(constructors_without_end) {
    if (!has_emulator()) return;
    const auto check = [](const test::Image& image, const std::string& name) {
        const ModuleAudit module = judged(image, name);
        // The four that fail, and the init function; not a budget for each of the words behind the table.
        BOOST_TEST(module.instructions < 3'000'000u);
        BOOST_TEST(confidence_name(module) != "certain");
    };
    test::Image elf = test::fixture_bytes("elf-x86_64/constructor" + linux_name);
    constexpr std::string_view size_tag("\x1b\0\0\0\0\0\0\0", 8);
    const std::size_t size = place_of(elf, size_tag) + 8;
    BOOST_REQUIRE(test::get(elf, size, 8) % 8 == 0);
    for (const std::uint64_t much : {1ull << 20, 1ull << 40, ~0ull}) BOOST_TEST_CONTEXT(much) {
            test::put(elf, size, much, 8);
            check(elf, "constructor" + linux_name);
        }
    test::Image macho = test::fixture_bytes("macho-x86_64-info/constructor" + macos_name);
    for (const std::uint64_t much : {1ull << 20, 1ull << 40, ~0ull}) BOOST_TEST_CONTEXT(much) {
            test::put(macho, place_of(macho, "__mod_init_func") + 16 + 16 + 8, much, 8);
            if (read_images(macho, "x")) check(macho, "constructor" + macos_name);  // else the reader refuses it
        }
}

BOOST_AUTO_TEST_CASE(memory_is_shared) {
    if (!has_emulator()) return;
    const test::Image image = test::fixture_bytes("elf-x86_64/uses_memory" + linux_name);
    limit_guest_memory(least_guest_memory);
    static_cast<void>(judged(image, "uses_memory" + linux_name));
    BOOST_TEST(guest_wanted_more());
    const test::Image other = test::fixture_bytes("elf-x86_64/multi_heap_malloc" + linux_name);
    limit_guest_memory(least_guest_memory);
    BOOST_TEST(verdict_name(judged(other, "multi_heap_malloc" + linux_name).verdict) == "global_lock");
    BOOST_TEST(!guest_wanted_more());
    limit_guest_memory(most_guest_memory);
    BOOST_TEST(verdict_name(judged(image, "uses_memory" + linux_name).verdict) == "free");
    BOOST_TEST(!guest_wanted_more());
}

BOOST_AUTO_TEST_CASE(what_needs_more_than_its_share_waits_for_it) {
    if (!has_emulator()) return;
    const test::Image image = test::fixture_bytes("elf-x86_64/uses_memory" + linux_name);
    const test::TemporaryFolder folder;
    for (const char* name : {"a", "b", "c", "d"})
        folder.write(name + std::string("/uses_memory") + linux_name, std::string(image.begin(), image.end()));
    for (const std::uint64_t memory : {0ull, 300ull << 20}) {
        AuditOptions options;
        options.threads = 3;
        options.budget.emulated_memory = memory;
        const AuditReport report = audit(folder.path(), options);
        BOOST_TEST(report.errors.empty());
        BOOST_REQUIRE(report.binaries.size() == 4u);
        for (const BinaryAudit& binary : report.binaries)
            BOOST_TEST(verdict_name(binary.modules.at(0).verdict) == "free", binary.modules.at(0).reason);
    }
}
