// limits_test.cpp: every limit of AuditBudget that concerns archives, by an archive that breaks it.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include "archive_maker.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
namespace {

using namespace interlock::test;

constexpr std::uint64_t mebibyte = 1u << 20;

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(ratio) {
    const TemporaryFolder folder;
    // 100 MiB of zeros: a thousandth of that in a zip, less in the others.
    write_archive(folder / "x.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"m.so", library("m")}}, 100 * mebibyte);
    write_archive(folder / "x.tar.zst", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_ZSTD,
                  {{"m.so", library("m")}}, 100 * mebibyte);
    // Two layers, the outer one of which is harmless for itself.
    folder.write("nested.zip", zip({{"x.tar.zst", content_of(folder / "x.tar.zst")}, {"after.so", library("a")}}));
    AuditBudget budget;
    budget.archive_ratio = 500;
    for (const char* name : {"x.zip", "x.tar.zst", "nested.zip"}) {
        BOOST_TEST_CONTEXT(name) {
            const Walk walk({folder / name}, budget);
            BOOST_REQUIRE(walk.found.size() == 1);
            BOOST_TEST(walk.found[0].content == library("m"));
            BOOST_REQUIRE(walk.errors.size() == 1);
            BOOST_TEST(walk.errors[0].path == folder / name);
            BOOST_TEST((walk.errors[0].code == Errc::unsupported));
            BOOST_TEST(walk.errors[0].message.starts_with("'" + (folder / name) +
                                                          "' is not read any further: it unpacks to "));
            BOOST_TEST(
                walk.errors[0].message.ends_with("the limit archive_ratio is 500: raise it if you trust the file"));
            BOOST_TEST(walk.memory.peak() <= budget.memory);
        }
    }
}

BOOST_AUTO_TEST_CASE(ratio_of_what_is_skipped) {
    const TemporaryFolder folder;
    // Nobody wants this member, and it has to be unpacked all the same to get behind it.
    write_archive(folder / "x.tar.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP, {{"m.so", library("m")}},
                  100 * mebibyte);
    AuditBudget budget;
    budget.archive_ratio = 500;
    const Walk walk({folder / "x.tar.gz!m.so"}, budget);
    BOOST_TEST(walk.found.size() == 1);
    BOOST_TEST(walk.errors.size() == 1);
}

BOOST_AUTO_TEST_CASE(size) {
    const TemporaryFolder folder;
    std::vector<TarEntry> entries;
    for (int i = 0; i < 8; ++i) entries.push_back({std::to_string(i) + ".so", library(std::string(mebibyte, 'x'))});
    AuditBudget budget;
    budget.archive_size = 5 * mebibyte;
    write_archive(folder / "x.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
    write_archive(folder / "x.tar.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP, entries);
    for (const char* name : {"x.zip", "x.tar.gz"}) {
        const Walk walk({folder / name}, budget);
        BOOST_TEST(walk.found.size() >= 2);
        BOOST_TEST(walk.found.size() < 5);
        BOOST_REQUIRE(walk.errors.size() == 1);
        BOOST_TEST(walk.errors[0].message == "'" + (folder / name) +
                                                 "' is not read any further: it unpacks to too much; the limit "
                                                 "archive_size is 5242880: raise it if you trust the file");
    }
}

BOOST_AUTO_TEST_CASE(entries) {
    const TemporaryFolder folder;
    std::vector<TarEntry> tarred;
    std::vector<ZipEntry> zipped;
    for (int i = 0; i < 100; ++i) {
        tarred.push_back({std::to_string(i) + ".so", library("x")});
        zipped.push_back({std::to_string(i) + ".so", library("x")});
    }
    tar(folder / "x.tar", tarred);
    folder.write("x.zip", zip(zipped));
    folder.write("nested.zip", zip({{"a.tar", content_of(folder / "x.tar")}, {"b.tar", content_of(folder / "x.tar")}}));
    AuditBudget budget;
    budget.archive_entries = 99;
    const std::string why =
        "' is not read any further: it has too many entries; the limit archive_entries is 99: raise "
        "it if you trust the file";
    const Walk tar_walk({folder / "x.tar"}, budget);
    BOOST_TEST(tar_walk.found.size() == 99);
    BOOST_TEST(tar_walk.errors.at(0).message == "'" + (folder / "x.tar") + why);
    // A zip file says so beforehand, and its directory is not even loaded.
    const Walk zip_walk({folder / "x.zip"}, budget);
    BOOST_TEST(zip_walk.found.empty());
    BOOST_TEST(zip_walk.errors.at(0).message == "'" + (folder / "x.zip") + why);
    budget.archive_entries = 150;
    const Walk nested({folder / "nested.zip"}, budget);
    BOOST_TEST(nested.found.size() == 148);  // two for the archives
    BOOST_TEST(nested.errors.size() == 1);
    budget.archive_entries = 202;
    BOOST_TEST(Walk({folder / "nested.zip"}, budget).errors.empty());
}

BOOST_AUTO_TEST_CASE(hundred_thousand_entries) {
    const TemporaryFolder folder;
    std::vector<ZipEntry> zipped;
    for (int i = 0; i < 100'000; ++i) zipped.push_back({std::to_string(i) + (i % 10'000 == 0 ? ".so" : ".py"), "x"});
    folder.write("x.zip", zip(zipped));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.errors.empty());
    BOOST_TEST(walk.found.size() == 10);
    BOOST_TEST(walk.walk.files() == 100'001);
}

BOOST_AUTO_TEST_CASE(nesting) {
    const TemporaryFolder folder;
    std::string content = zip({{"deep.so", library("deep")}});
    std::string inside;
    for (int i = 0; i < 4; ++i) {
        content = zip({{"n.zip", content}, {"m.so", library("m")}});
        inside += "!n.zip";
    }
    folder.write("x.zip", content);
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.found.size() == 5);
    BOOST_TEST(walk.errors.empty());
    AuditBudget budget;
    budget.archive_nesting = 3;
    const Walk less({folder / "x.zip"}, budget);
    BOOST_TEST(less.found.size() == 4);
    BOOST_REQUIRE(less.errors.size() == 1);
    BOOST_TEST(less.errors[0].path == (folder / "x.zip") + inside);
    BOOST_TEST(less.errors[0].message == "'" + (folder / "x.zip") + inside +
                                             "' is not read: it is an archive inside of 4 others; the limit "
                                             "archive_nesting is 3: raise it if you trust the file");
}

BOOST_AUTO_TEST_CASE(binary_size) {
    const TemporaryFolder folder;
    folder.write("x.zip", zip({{"big.so", library(std::string(1000, 'x'))}, {"m.so", library("m")}}));
    folder.write("big.so", library(std::string(1000, 'x')));
    AuditBudget budget;
    budget.binary_size = 100;
    const Walk walk({folder / "x.zip", folder / "big.so"}, budget);
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.zip!m.so"}, boost::test_tools::per_element());
    BOOST_TEST(walk.error_paths(folder.path()) == (Texts{"x.zip!big.so", "big.so"}), boost::test_tools::per_element());
    BOOST_TEST(walk.errors[0].message == "'" + (folder / "x.zip!big.so") +
                                             "' is not read: it is larger than 100 bytes, the limit binary_size; raise "
                                             "it if you trust the file");
}

BOOST_AUTO_TEST_CASE(header_of_a_tar_file) {
    // A map of a sparse file that takes 32 times its size in libarchive.
    const TemporaryFolder folder;
    std::string text = tar(folder / "x.tar", {{"m.so", library("m")}});
    std::string bytes = content_of(text);
    // GNU.sparse 1.0 in a pax header, by hand: the map is in front of the content.
    const auto block = [](std::string name, char type, std::size_t size) {
        std::string header(512, '\0');
        const auto put = [&](std::size_t at, const std::string& value) { header.replace(at, value.size(), value); };
        const auto octal = [](std::size_t number, int digits) {
            std::string result(digits, '0');
            for (int i = digits; i-- > 0; number /= 8) result[i] = static_cast<char>('0' + number % 8);
            return result;
        };
        put(0, name);
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, octal(size, 11));
        put(136, "00000000000");
        put(148, "        ");
        header[156] = type;
        put(257, std::string("ustar\0"
                             "00",
                             8));
        unsigned sum = 0;
        for (const char c : header) sum += static_cast<unsigned char>(c);
        put(148, octal(sum, 6) + std::string("\0 ", 2));
        return header;
    };
    const auto padded = [](std::string content) {
        content.resize((content.size() + 511) / 512 * 512, '\0');
        return content;
    };
    const auto record = [](const std::string& text_of) {
        for (std::size_t size = text_of.size();; ++size)
            if (std::to_string(size).size() + 1 + text_of.size() == size) return std::to_string(size) + " " + text_of;
    };
    const std::string pax = record("GNU.sparse.major=1\n") + record("GNU.sparse.minor=0\n") +
                            record("GNU.sparse.name=s.so\n") + record("GNU.sparse.realsize=100\n");
    std::string map = "4000000\n";
    for (int i = 0; i < 4'000'000; ++i) map += "0\n0\n";
    const std::string hostile =
        block("PaxHeader", 'x', pax.size()) + padded(pax) + block("GNUSparseFile/s.so", '0', map.size()) + padded(map);
    folder.write("hostile.tar", bytes.substr(0, 1024) + hostile);
    const Walk walk({folder / "hostile.tar"});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"hostile.tar!m.so"}, boost::test_tools::per_element());
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST(walk.errors[0].path == folder / "hostile.tar");
}

BOOST_AUTO_TEST_CASE(dictionary_of_xz) {
    // The header of an xz file with a dictionary of 1.5 GiB: liblzma decides on it before it unpacks anything.
    const TemporaryFolder folder;
    const std::string name = folder / "x.tar.xz";
    tar(name, {{"m.so", library(std::string(100, 'm'))}}, ARCHIVE_FILTER_XZ);
    std::string bytes = content_of(name);
    // Block header: size, flags, filter id 0x21, size of properties 1, the dictionary; checksum behind the padding.
    BOOST_REQUIRE(bytes.substr(14, 2) == "\x21\x01");
    bytes[16] = 37;
    const std::size_t header = (static_cast<unsigned char>(bytes[12]) + 1) * 4;
    const std::uint32_t crc = crc32_of(std::string_view(bytes).substr(12, header - 4));
    for (int i = 0; i < 4; ++i) bytes[12 + header - 4 + i] = static_cast<char>(crc >> (8 * i));
    folder.write("x.tar.xz", bytes);
    const Walk walk({name});
    BOOST_TEST(walk.found.empty());
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST((walk.errors[0].code == Errc::unsupported));
    BOOST_TEST(walk.errors[0].message.find("no more than 128 MiB are used; compress it with xz -9 or less") !=
               std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
