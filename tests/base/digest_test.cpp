// digest_test.cpp: SHA-256 against the vectors of FIPS 180-4 and its examples, and files of every kind.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <interlock/digest.hpp>

#include "support/temporary_folder.hpp"

namespace interlock::test {
namespace {

std::string digest(std::string_view text) {
    return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

BOOST_AUTO_TEST_SUITE(sha256)

BOOST_AUTO_TEST_CASE(published_vectors) {
    BOOST_TEST(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    BOOST_TEST(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    BOOST_TEST(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    BOOST_TEST(digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                      "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu") ==
               "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    BOOST_TEST(digest(std::string(1'000'000, 'a')) ==
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

BOOST_AUTO_TEST_CASE(every_length_around_the_block_size) {
    // The digest of all digests of 0..192 bytes, computed with sha256sum.
    std::string all;
    for (std::size_t size = 0; size <= 192; ++size) all += digest(std::string(size, 'x')) + '\n';
    BOOST_TEST(digest(all) == "c06682c4a9fef3142f19aa46120f0ec3f31a34377ba10105aee677659465488f");
}

BOOST_AUTO_TEST_CASE(files) {
    const TemporaryFolder folder;
    // Larger than a piece, and no multiple of a block.
    std::string text;
    for (int i = 0; text.size() < 700'001; ++i) text += std::to_string(i);
    const auto path = folder.write("large", text);
    BOOST_TEST(sha256_file(path).value() == digest(text));
    BOOST_TEST(sha256_file(folder.write("empty", "")).value() == digest(""));
}

BOOST_AUTO_TEST_CASE(what_is_no_file) {
    const TemporaryFolder folder;
    const auto fifo = folder.path() / "fifo";
    BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const struct {
        std::filesystem::path path;
        Errc code;
        const char* why;
    } rows[] = {
        {folder.path() / "absent", Errc::not_found, "No such file"},
        {folder.write("plain", "") + "/below", Errc::not_found, "Not a directory"},
        {folder.path(), Errc::unreadable, "it is a directory"},
        {fifo, Errc::unreadable, "it is not a regular file"},
        {"/dev/null", Errc::unreadable, "it is not a regular file"},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.path) {
            const auto result = sha256_file(row.path);
            BOOST_REQUIRE(!result.ok());
            BOOST_TEST((result.error().code == row.code));
            BOOST_TEST(result.error().message.find(row.why) != std::string::npos, result.error().message);
            BOOST_TEST(result.error().message.find(row.path.filename().string()) != std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
