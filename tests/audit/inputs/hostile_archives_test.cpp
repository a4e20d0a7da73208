// hostile_archives_test.cpp: archives that are damaged, or made to harm: what is right in them is found, the rest is an
// error that names it, and nothing is written anywhere.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include "archive_maker.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
namespace {

using namespace interlock::test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(hostile_archives)

BOOST_AUTO_TEST_CASE(names_that_lead_astray) {
    const TemporaryFolder folder;
    const std::vector<std::string> names = {"../../../../evil.so",
                                            "/etc/evil.so",
                                            "..\\..\\evil2.so",
                                            "a/./b.so",
                                            "ctl\x01\x1b[31m\n.so",
                                            "\xe2\x80\xae"
                                            "os.so",
                                            "C:\\evil3.so"};
    std::vector<ZipEntry> zipped;
    std::vector<TarEntry> tarred;
    for (const std::string& name : names) {
        zipped.push_back({name, library(name)});
        tarred.push_back({name, library(name)});
    }
    folder.write("in/x.zip", zip(zipped));
    tar(folder / "in/x.tar", tarred);
    const Walk walk({folder / "in/x.zip", folder / "in/x.tar"});
    BOOST_TEST(walk.errors.empty());
    BOOST_REQUIRE(walk.found.size() == 2 * names.size());
    for (std::size_t i = 0; i < walk.found.size(); ++i) {
        std::string expected = names[i % names.size()];
        std::replace(expected.begin(), expected.end(), '\\', '/');
        BOOST_TEST(walk.found[i].path == (folder / (i < names.size() ? "in/x.zip!" : "in/x.tar!")) + expected);
        BOOST_TEST(walk.found[i].content == library(names[i % names.size()]));
    }
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path())) files += entry.is_regular_file();
    BOOST_TEST(files == 2);
}

BOOST_AUTO_TEST_CASE(links_and_devices) {
    const TemporaryFolder folder;
    tar(folder / "x.tar", {{"real.so", library("r")},
                           {"soft.so", "", AE_IFLNK, "/etc/passwd"},
                           {"hard.so", "", AE_IFREG, "real.so", true},
                           {"device.so", "", AE_IFCHR},
                           {"fifo.so", "", AE_IFIFO},
                           {"folder.so", "", AE_IFDIR},
                           {"last.so", library("l")}});
    const Walk walk({folder / "x.tar"});
    BOOST_TEST(walk.errors.empty());
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.tar!real.so", "x.tar!last.so"}),
               boost::test_tools::per_element());
    const Walk link({folder / "x.tar!soft.so"});
    BOOST_REQUIRE(link.errors.size() == 1);
    BOOST_TEST(link.errors[0].message ==
               "cannot read '" + (folder / "x.tar!soft.so") + "': it is a link or device; name the file it stands for");
}

BOOST_AUTO_TEST_CASE(wrong_checksum) {
    const TemporaryFolder folder;
    folder.write("x.whl",
                 zip({{"a.so", library("a")}, {"b.so", library("b"), 0, 0, 0x12345678}, {"c.so", library("c")}}));
    const Walk walk({folder / "x.whl"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.whl!a.so", "x.whl!c.so"}), boost::test_tools::per_element());
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST(walk.errors[0].path == folder / "x.whl!b.so");
    BOOST_TEST((walk.errors[0].code == Errc::malformed_file));
    BOOST_TEST(walk.errors[0].message.starts_with("cannot read '" + (folder / "x.whl!b.so") + "': ZIP bad CRC"));
}

BOOST_AUTO_TEST_CASE(encrypted_and_unsupported) {
    const TemporaryFolder folder;
    folder.write("x.zip", zip({{"a.so", library("0123456789ab"), 1},
                               {"readme", "encrypted, and of no interest", 1},
                               {"b.so", "lzma", 0, 14},
                               {"c.so", library("c")},
                               {"d.so", "unknown", 0, 77}}));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.zip!c.so"}, boost::test_tools::per_element());
    BOOST_TEST(walk.error_paths(folder.path()) == (Texts{"x.zip!a.so", "x.zip!b.so", "x.zip!d.so"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.errors.at(0).message == "cannot read '" + (folder / "x.zip!a.so") + "': it is encrypted");
    BOOST_TEST(walk.errors.at(1).message ==
               "cannot read '" + (folder / "x.zip!b.so") + "': its compression, lzma, is not supported; use deflate");
    for (const InputError& error : walk.errors) BOOST_TEST((error.code == Errc::unsupported));
}

BOOST_AUTO_TEST_CASE(sizes_that_lie) {
    const TemporaryFolder folder;
    // Stored: libarchive goes by one of the two sizes; whichever it is, nothing is read beyond the member.
    folder.write("x.zip", zip({{"a.so", library("a"), 0, 0, std::nullopt, 0xfffffff0u}, {"b.so", library("b")}}));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.found.size() + walk.errors.size() == 2);
    BOOST_TEST(walk.found.back().content == library("b"));
}

// A tar file is unpacked with its links, so that what is behind one can be imported by its name.
BOOST_AUTO_TEST_CASE(links_to_what_is_not_named_like_a_library) {
    const TemporaryFolder folder;
    const std::string file = tar(folder / "x.tar", {{"pkg/data.bin", library("hidden")},
                                                    {"pkg/a.so", "", AE_IFLNK, "data.bin"},
                                                    {"b.so", "", AE_IFREG, "pkg/data.bin", true},
                                                    {"c.so", "", AE_IFLNK, "pkg/./a.so"},
                                                    {"pkg/libx.so.1", library("x")},
                                                    {"pkg/libx.so", "", AE_IFLNK, "libx.so.1"},
                                                    {"gone.so", "", AE_IFLNK, "/usr/lib/gone.so.1"}});
    const Walk walk({file});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.tar!pkg/libx.so.1"}, boost::test_tools::per_element());
    BOOST_TEST(walk.error_paths(folder.path()) == (Texts{"x.tar!b.so", "x.tar!c.so", "x.tar!pkg/a.so"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(same_name_twice) {
    const TemporaryFolder folder;
    folder.write("x.whl", zip({{"a.so", library("1")}, {"b.so", library("b")}, {"a.so", library("2")}}));
    const Walk walk({folder / "x.whl"});
    BOOST_REQUIRE(walk.found.size() == 3);
    BOOST_TEST(walk.found[0].content == library("1"));
    BOOST_TEST(walk.found[2].content == library("2"));
    BOOST_TEST(walk.found[2].path == folder / "x.whl!a.so");
    BOOST_TEST(
        walk.walk.packages().at(0).notes ==
            Texts{"the member 'a.so' occurs more than once: an installation keeps the last one, all are audited"},
        boost::test_tools::per_element());
}

/// Every archive, cut at every place in `step`s: never a crash, and never fewer findings without an error.
void cut_everywhere(const TemporaryFolder& folder, const std::string& name, std::size_t step) {
    const std::string whole = content_of(folder / name);
    const std::size_t all = Walk({folder / name}).found.size();
    BOOST_REQUIRE(all > 0);
    for (std::size_t size = 0; size < whole.size(); size += step) {
        folder.write("cut/" + name, whole.substr(0, size));
        const Walk walk({folder / ("cut/" + name)});
        BOOST_TEST_CONTEXT(name << " cut at " << size) {
            BOOST_TEST(walk.found.size() <= all);
            BOOST_TEST((walk.found.size() == all || !walk.errors.empty()));
            BOOST_TEST(walk.memory.in_flight() == 0);
        }
    }
}

BOOST_AUTO_TEST_CASE(truncated) {
    const TemporaryFolder folder;
    const std::vector<TarEntry> entries = {{"a.so", library(std::string(700, 'a'))}, {"b.so", library("b")}};
    folder.write("x.zip", zip({{"a.so", entries[0].content}, {"b.so", entries[1].content}}));
    cut_everywhere(folder, "x.zip", 7);
    for (const auto& [name, filter] : {std::pair{"x.tar.gz", ARCHIVE_FILTER_GZIP},
                                       {"x.tar.xz", ARCHIVE_FILTER_XZ},
                                       {"x.tar.bz2", ARCHIVE_FILTER_BZIP2},
                                       {"x.tar.zst", ARCHIVE_FILTER_ZSTD}}) {
        tar(folder / name, entries, filter);
        cut_everywhere(folder, name, 3);
    }
    folder.write("x.deb", ar({{"debian-binary", "2.0\n"}, {"data.tar.gz", content_of(folder / "x.tar.gz")}}));
    cut_everywhere(folder, "x.deb", 5);
    const Walk walk({folder.write("x.whl", content_of(folder / "x.zip").substr(0, 800))});
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST(walk.errors[0].message == "cannot read the zip archive '" + (folder / "x.whl") +
                                             "': it has no directory at its end; it may be truncated");
}

BOOST_AUTO_TEST_CASE(flipped_bytes) {
    const TemporaryFolder folder;
    tar(folder / "x.tar.gz", {{"m.so", library("m")}}, ARCHIVE_FILTER_GZIP);
    folder.write("x.deb", ar({{"debian-binary", "2.0\n"}, {"data.tar.gz", content_of(folder / "x.tar.gz")}}));
    folder.write("x.zip", zip({{"a.so", library("a")}, {"n.whl", zip({{"b.so", library("b")}})}}));
    write_archive(folder / "y.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a.so", library(std::string(99, 'a'))}});
    tar(folder / "x.tar", {{"a.so", library("a")}, {std::string(150, 'n') + ".so", library("long name")}});
    for (const char* name : {"x.tar.gz", "x.deb", "x.zip", "y.zip", "x.tar"}) {
        std::string bytes = content_of(folder / name);
        for (std::size_t i = 0; i < bytes.size(); i += bytes.size() > 2000 ? 31 : 2) {
            const char before = bytes[i];
            for (const int change : {0x01, 0xff}) {
                bytes[i] = static_cast<char>(before ^ change);
                folder.write("f/" + std::string(name), bytes);
                const Walk walk({folder / ("f/" + std::string(name))});
                BOOST_TEST(walk.found.size() <= 4);
                BOOST_TEST(walk.memory.in_flight() == 0);
            }
            bytes[i] = before;
        }
    }
}

BOOST_AUTO_TEST_CASE(empty_ones) {
    const TemporaryFolder folder;
    folder.write("empty.zip", zip({}));
    folder.write("zero.whl", "");
    folder.write("zero.tar", "");
    folder.write("blank.tar", std::string(10240, '\0'));
    folder.write("empty.deb", "!<arch>\n");
    folder.write("text.tar.gz", "this is text, whatever its name");
    const Walk walk({folder / "empty.zip", folder / "zero.whl", folder / "zero.tar", folder / "blank.tar",
                     folder / "empty.deb", folder / "text.tar.gz"});
    BOOST_TEST(walk.found.empty());
    BOOST_TEST(walk.skips == (Texts{(folder / "empty.zip") + ": no compiled modules in it",
                                    (folder / "blank.tar") + ": no compiled modules in it",
                                    (folder / "empty.deb") + ": no compiled modules in it"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.error_paths(folder.path()) == (Texts{"zero.whl", "zero.tar", "text.tar.gz"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(broken_archive_in_a_good_one) {
    const TemporaryFolder folder;
    folder.write("x.zip", zip({{"bad.whl", "no zip"}, {"bad.tar.gz", "\x1f\x8b\x08 no gzip"}, {"m.so", library("m")}}));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.zip!m.so"}, boost::test_tools::per_element());
    BOOST_TEST(walk.error_paths(folder.path()) == (Texts{"x.zip!bad.whl", "x.zip!bad.tar.gz"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
