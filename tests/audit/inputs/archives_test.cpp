// archives_test.cpp: archives that are right: every format, archives in archives, members that are named, manifests.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <clocale>

#include "archive_maker.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
namespace {

using namespace interlock::test;

BOOST_AUTO_TEST_SUITE(archives)

BOOST_AUTO_TEST_CASE(formats) {
    const TemporaryFolder folder;
    const std::vector<TarEntry> entries = {{"pkg", "", AE_IFDIR},
                                           {"pkg/a.so", library(std::string(100'000, 'a'))},
                                           {"pkg/readme.txt", "text"},
                                           {"pkg/b.pyd", library("b")}};
    const struct {
        const char* name;
        int format, filter;
    } rows[] = {
        {"x.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE},
        {"x.pax.tar", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE},
        {"x.gnu.tar", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE},
        {"x.tar.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP},
        {"x.tar.bz2", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_BZIP2},
        {"x.tar.xz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_XZ},
        {"x.tar.lzma", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_LZMA},
        {"x.tar.zst", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_ZSTD},
        {"x.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE},
        {"x-1-py3-none-any.whl", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE},
        {"no ending", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_XZ},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.name) {
            const std::string file = write_archive(folder / row.name, row.format, row.filter, entries);
            const Walk walk({file});
            BOOST_TEST(walk.errors.empty());
            BOOST_REQUIRE(walk.found.size() == 2);
            BOOST_TEST(walk.found[0].path == file + "!pkg/a.so");
            BOOST_TEST((walk.found[0].content == entries[1].content));
            BOOST_TEST(walk.found[0].module_path == "pkg/a.so");
            BOOST_TEST(walk.found[1].path == file + "!pkg/b.pyd");
            BOOST_TEST(walk.found[1].content == entries[3].content);
            BOOST_TEST(!walk.found[1].named);
            BOOST_TEST(walk.memory.in_flight() == 0);
        }
    }
}

BOOST_AUTO_TEST_CASE(nested) {
    const TemporaryFolder folder;
    const std::string wheel = zip({{"m.so", library("m")}});
    tar(folder / "wheels.tar.gz", {{"dist/p-1-cp313-cp313t-any.whl", wheel}, {"top.so", library("top")}},
        ARCHIVE_FILTER_GZIP);
    folder.write("all.zip", zip({{"wheels.tar.gz", content_of(folder / "wheels.tar.gz")}, {"last.so", library("l")}}));
    const Walk walk({folder / "all.zip"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"all.zip!wheels.tar.gz!dist/p-1-cp313-cp313t-any.whl!m.so",
                                                   "all.zip!wheels.tar.gz!top.so", "all.zip!last.so"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.found[0].package == "wheel p 1");
    BOOST_TEST(walk.found[1].package == "archive wheels.tar.gz ");
    BOOST_TEST(walk.found[2].package == "archive all.zip ");
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(named_members) {
    const TemporaryFolder folder;
    const std::string inner = zip({{"m.so", library("m")}, {"n.so", library("n")}, {"script", "text"}});
    folder.write("x.zip", zip({{"a/b!c.so", library("b!c")},
                               {"a/d.so", library("d")},
                               {"inner.whl", inner},
                               {"data", inner},
                               {"text.txt", "text"}}));
    const struct {
        const char* input;
        Texts paths;
        bool named;
    } rows[] = {
        {"x.zip!a/d.so", {"x.zip!a/d.so"}, true},
        {"x.zip!a/b!c.so", {"x.zip!a/b!c.so"}, true},
        {"x.zip!a", {"x.zip!a/b!c.so", "x.zip!a/d.so"}, false},
        {"x.zip!a/", {"x.zip!a/b!c.so", "x.zip!a/d.so"}, false},
        {"x.zip!inner.whl!m.so", {"x.zip!inner.whl!m.so"}, true},
        {"x.zip!inner.whl!script", {"x.zip!inner.whl!script"}, true},
        {"x.zip!inner.whl", {"x.zip!inner.whl!m.so", "x.zip!inner.whl!n.so"}, false},
        {"x.zip!data", {"x.zip!data!m.so", "x.zip!data!n.so"}, false},
        {"x.zip!data!n.so", {"x.zip!data!n.so"}, true},
        {"x.zip!text.txt", {"x.zip!text.txt"}, true},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.input) {
            const Walk walk({folder / row.input});
            BOOST_TEST(walk.paths(folder.path()) == row.paths, boost::test_tools::per_element());
            BOOST_TEST(walk.errors.empty());
            for (const auto& found : walk.found) BOOST_TEST(found.named == row.named);
        }
    }
    const Walk missing({folder / "x.zip!b.so", folder / "x.zip!inner.whl!x.so", folder / "x.zip!a/d.so!x"});
    BOOST_REQUIRE(missing.errors.size() == 3);
    BOOST_TEST(missing.errors[0].message == "'" + (folder / "x.zip") + "' has no member 'b.so'");
    BOOST_TEST((missing.errors[0].code == Errc::not_found));
    BOOST_TEST(missing.errors[0].path == folder / "x.zip!b.so");
    BOOST_TEST(missing.errors[1].message == "'" + (folder / "x.zip") + "' has no member 'inner.whl!x.so'");
    folder.write("plain.so", library("p"));
    const Walk plain({folder / "plain.so!m.so"});
    BOOST_REQUIRE(plain.errors.size() == 1);
    BOOST_TEST(plain.errors[0].message == "'" + (folder / "plain.so") + "' is no archive, so it has no member 'm.so'");
}

BOOST_AUTO_TEST_CASE(manifests) {
    const TemporaryFolder folder;
    const std::vector<TarEntry> entries = {{"before.so.interlock.json", "{before}"},
                                           {"before.so", library("b")},
                                           {"none.so", library("n")},
                                           {"behind.so", library("h")},
                                           {"behind.so.interlock.json", "{behind}"}};
    const std::string inner =
        write_archive(folder / "x.tar.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP, entries);
    std::vector<ZipEntry> zipped;
    for (const TarEntry& entry : entries) zipped.push_back({entry.name, entry.content});
    folder.write("x.whl", zip(zipped));
    folder.write("outer.zip", zip({{"first.so", library("first")},
                                   {"in/x.tar.gz", content_of(inner)},
                                   {"x.whl", content_of(folder / "x.whl")}}));
    for (const char* file : {"x.tar.gz", "x.whl", "outer.zip", "outer.zip!in/x.tar.gz"}) {
        BOOST_TEST_CONTEXT(file) {
            const Walk walk({folder / file});
            BOOST_TEST(walk.errors.empty());
            std::map<std::string, std::string> seen;
            for (const auto& found : walk.found) {
                if (found.path.ends_with("first.so")) continue;
                const auto [known, added] = seen.try_emplace(found.module_path, found.manifest);
                BOOST_TEST(known->second == found.manifest);
            }
            BOOST_TEST((seen == std::map<std::string, std::string>{
                                    {"before.so", "{before}"}, {"none.so", ""}, {"behind.so", "{behind}"}}));
            const bool both = std::string(file) == "outer.zip";
            BOOST_TEST(walk.found.size() == (both ? 7u : 3u));
            BOOST_TEST(walk.walk.packages().size() == (both ? 3u : 1u));
        }
    }
}

BOOST_AUTO_TEST_CASE(manifest_that_is_too_large) {
    const TemporaryFolder folder;
    folder.write("x.zip", zip({{"a.so.interlock.json", std::string((1 << 20) + 1, ' ')}, {"a.so", library("a")}}));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.found.size() == 1);
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST((walk.errors[0].code == Errc::invalid_manifest));
    BOOST_TEST(walk.errors[0].path == folder / "x.zip!a.so.interlock.json");
}

BOOST_AUTO_TEST_CASE(something_in_front_of_a_zip) {
    const TemporaryFolder folder;
    folder.write("x.zip", "#!/usr/bin/python3\n" + std::string(1000, '#') +
                              zip({{"first.so", library("1")}, {"second.so", library("2")}}));
    const Walk walk({folder / "x.zip"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!first.so", "x.zip!second.so"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.found[0].content == library("1"));
}

BOOST_AUTO_TEST_CASE(names_in_any_locale) {
    // A program starts in this one.
    BOOST_REQUIRE(std::setlocale(LC_ALL, "C") != nullptr);
    const TemporaryFolder folder;
    folder.write("x.zip", zip({{"p\xc3\xa9/\xe6\x97\xa5.so", library("utf-8"), 0x800},
                               {"\xc3\xa9.so", library("not said to be")},
                               {"\xff\xfe.so", library("no utf-8")},
                               {"\xff\xfe\xfd.so", library("no utf-8, and said to be"), 0x800}}));
    tar(folder / "x.tar", {{"p\xc3\xa9.so", library("tar")}});
    const Walk walk({folder / "x.zip", folder / "x.tar"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!p\xc3\xa9/\xe6\x97\xa5.so", "x.zip!\xc3\xa9.so",
                                                   "x.zip!\xff\xfe.so", "x.tar!p\xc3\xa9.so"}),
               boost::test_tools::per_element());
    // What it could have been called nobody knows; that it is there must not be lost.
    BOOST_REQUIRE(walk.errors.size() == 1);
    BOOST_TEST(walk.errors[0].message ==
               "cannot read a member of '" + (folder / "x.zip") +
                   "': its name is too long for a path, or not the UTF-8 that it claims to be");
    BOOST_TEST(std::string(std::setlocale(LC_ALL, nullptr)) == "C");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
