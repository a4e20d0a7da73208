// manifest_test.cpp: reading and writing manifests.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <interlock/manifest.hpp>

#include "manifests/json_source.hpp"
#include "support/temporary_folder.hpp"

namespace interlock::test {
namespace {

const std::string hash(64, 'a');

BOOST_AUTO_TEST_SUITE(manifest_reading)

BOOST_AUTO_TEST_CASE(values) {
    const char* text = R"({"module": "legacy.tok", "build_id": "00AABBCC", "threading": "module_lock",
        "sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "declared_by": "me", "reason": "r"})";
    const auto file = parse_manifest(text, "x.so.interlock.json");
    BOOST_TEST(file.diagnostics.empty());
    BOOST_TEST(file.manifest.path == "x.so.interlock.json");
    BOOST_TEST(file.manifest.module == "legacy.tok");
    BOOST_TEST(file.manifest.sha256.value() == hash);
    BOOST_TEST(file.manifest.build_id.value() == "00aabbcc");
    BOOST_TEST((file.manifest.threading == ThreadingLevel::module_lock));
    BOOST_TEST(file.manifest.declared_by == "me");
    BOOST_TEST(file.manifest.reason == "r");
}

BOOST_AUTO_TEST_CASE(it_is_for_a_file_when_all_hashes_that_it_gives_match) {
    const std::string other(64, 'b');
    struct Row {
        std::optional<std::string> sha256, build_id;  // of the manifest
        std::string has_build_id, mismatch;
        bool asks_for_hash;
    };
    const Row rows[] = {
        {hash, {}, "", "", true},
        {hash, {}, "00aabbcc", "", true},
        {{}, "00aabbcc", "00aabbcc", "", false},
        {hash, "00aabbcc", "00aabbcc", "", true},
        {{}, "00aabbcc", "", "it is for build-id 00aabbcc, the file has none", false},
        {{}, "00aabbcc", "00aabbcd", "it is for build-id 00aabbcc, the file has 00aabbcd", false},
        {other, {}, "", "it is for sha256 " + other + ", the file has " + hash, true},
        // One that matches does not make up for one that does not.
        {other, "00aabbcc", "00aabbcc", "it is for sha256 " + other + ", the file has " + hash, true},
        {hash, "00aabbcc", "00aabbcd", "it is for build-id 00aabbcc, the file has 00aabbcd", false},
    };
    for (const Row& row : rows) {
        Manifest manifest;
        manifest.sha256 = row.sha256;
        manifest.build_id = row.build_id;
        bool asked = false;
        const std::string mismatch = manifest_mismatch(manifest, row.has_build_id, [&] {
            asked = true;
            return hash;
        });
        BOOST_TEST(mismatch == row.mismatch);
        BOOST_TEST(asked == row.asks_for_hash);
    }
}

BOOST_AUTO_TEST_CASE(every_problem_is_reported) {
    const auto file = parse_manifest(
        "{\"module\": \"a..b\",\n \"sha256\": \"12\",\n \"threading\": \"fee\",\n \"why\": 1}", "m.json");
    BOOST_TEST(error_text(file.diagnostics) ==
               "m.json:1:1: error: the manifest lacks 'declared_by' [missing-key]; who answers for this statement\n"
               "m.json:1:1: error: the manifest lacks 'reason' [missing-key]; why it holds for this binary\n"
               "m.json:1:15: error: 'a..b' is not the dotted name of a module [bad-module-name]; "
               "write it as in an import: pkg.part\n"
               "m.json:2:12: error: 'sha256' has 2 digits [bad-hash]; "
               "it is 64 hexadecimal digits, as sha256sum prints them\n"
               "m.json:3:15: error: unknown 'threading' 'fee' [unknown-word]; did you mean 'free'?\n"
               "m.json:4:2: error: unknown key 'why' in the manifest [unknown-key]; known: $schema, version, module, "
               "sha256, build_id, threading, declared_by, reason");
    BOOST_TEST((file.manifest.threading == ThreadingLevel::global_lock));
}

BOOST_AUTO_TEST_CASE(beside_the_binary) {
    const TemporaryFolder folder;
    const auto binary = folder.path() / "tok.so";
    BOOST_TEST(manifest_path(binary) == folder.path() / "tok.so.interlock.json");
    BOOST_TEST(!read_manifest_of(binary).value().has_value());
    BOOST_TEST(!read_manifest_of(folder.write("plain", "") + "/tok.so").value().has_value());

    Manifest manifest;
    manifest.module = "tok";
    manifest.sha256 = hash;
    manifest.threading = ThreadingLevel::free;
    manifest.declared_by = "build team";
    manifest.reason = "audited";
    const auto path = folder.write("tok.so.interlock.json", to_json_text(manifest));
    const auto read = read_manifest_of(binary).value();
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->diagnostics.empty());
    BOOST_TEST(read->manifest.path == path);
    BOOST_TEST((read->manifest.threading == ThreadingLevel::free));

    folder.write("tok.so.interlock.json", "{");
    BOOST_TEST(has_errors(read_manifest_of(binary).value().value().diagnostics));

    folder.write("tok.so.interlock.json", std::string(manifests::max_json_size + 1, ' '));
    const auto large = read_manifest_of(binary).value().value();
    BOOST_TEST(error_text(large.diagnostics) == path + ": error: the file has more than 1048576 bytes [too-large]");

    std::filesystem::remove(path);
    BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    BOOST_TEST((read_manifest_of(binary).error().code == Errc::unreadable));
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    BOOST_TEST((read_manifest_of(binary).error().code == Errc::unreadable));
}

BOOST_AUTO_TEST_CASE(written_to_paste) {
    Manifest manifest;
    manifest.module = "legacy.tok";
    manifest.build_id = "00aabbcc";
    manifest.threading = ThreadingLevel::module_lock;
    manifest.declared_by = "a \"quoted\"\nname \xc3\xa9 \xff";
    manifest.reason = "r";
    BOOST_TEST(
        to_json_text(manifest) ==
        "{\"version\": 1, \"module\": \"legacy.tok\", \"build_id\": \"00aabbcc\", \"threading\": \"module_lock\", "
        "\"declared_by\": \"a \\\"quoted\\\"\\nname \xc3\xa9 \xef\xbf\xbd\", \"reason\": \"r\"}");
    BOOST_TEST(parse_manifest(to_json_text(manifest), "m").diagnostics.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
