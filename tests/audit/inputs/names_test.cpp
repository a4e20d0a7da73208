// names_test.cpp: what names and first bytes say, by tables.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <string>

#include "inputs/archive.hpp"
#include "inputs/archive_names.hpp"

namespace interlock::auditing {
using namespace inputs;
namespace {

using namespace std::string_view_literals;

Head head(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

BOOST_AUTO_TEST_SUITE(names)

BOOST_AUTO_TEST_CASE(libraries) {
    for (const char* name : {"x.so", "a/b/x.so", "x.cpython-313t-x86_64-linux-gnu.so", "libx.so.1", "libx.so.1.2.3",
                             "libx.so.6-lts", "x.pyd", "X.PYD", "x_d.pyd", "libx.dylib", "x.dll", "x.bundle", ".so"})
        BOOST_TEST(is_library_name(name), name);
    for (const char* name : {"x.py", "x.so.interlock.json", "libx.so.1.interlock.json", "x.so.debug", "x.so.",
                             "x.so.1.", "x.so.1.gz", "xso", "x.a", "x.o", "a.so/x.txt", "._x.so", "", "x.so/"})
        BOOST_TEST(!is_library_name(name), name);
}

BOOST_AUTO_TEST_CASE(archives) {
    const struct {
        const char* name;
        std::optional<ArchiveKind> kind;
    } rows[] = {
        {"x.whl", ArchiveKind::zip},     {"a/x.ZIP", ArchiveKind::zip},    {"x.conda", ArchiveKind::zip},
        {"x.egg", ArchiveKind::zip},     {"x.tar", ArchiveKind::tar},      {"x.tar.gz", ArchiveKind::tar},
        {"x.tgz", ArchiveKind::tar},     {"x.tar.bz2", ArchiveKind::tar},  {"x.tar.xz", ArchiveKind::tar},
        {"x.tar.zst", ArchiveKind::tar}, {"x.deb", ArchiveKind::deb},      {"x.gz", std::nullopt},
        {"x.so", std::nullopt},          {"x.whl.metadata", std::nullopt}, {"._x.whl", std::nullopt},
    };
    for (const auto& row : rows) BOOST_TEST((archive_by_name(row.name) == row.kind), row.name);
}

BOOST_AUTO_TEST_CASE(contents) {
    const std::string tar = std::string(257, 'x') + "ustar";
    const struct {
        std::string_view head;
        std::optional<ArchiveKind> kind;
        Compression compression;
        bool binary, text;
    } rows[] = {
        {"PK\3\4..", ArchiveKind::zip, Compression::none, false, false},
        {"PK\5\6..", ArchiveKind::zip, Compression::none, false, false},
        {"!<arch>\ndebian-binary   ", ArchiveKind::deb, Compression::none, false, true},
        {"!<arch>\nx.o/", std::nullopt, Compression::none, false, true},
        {"\x1f\x8b\x08"sv, ArchiveKind::tar, Compression::gzip, false, false},
        {"BZh91AY", ArchiveKind::tar, Compression::bzip2, false, true},
        {"BZhello", std::nullopt, Compression::none, false, true},
        {"\xfd"
         "7zXZ\0"sv,
         ArchiveKind::tar, Compression::xz, false, false},
        {"\x28\xb5\x2f\xfd", ArchiveKind::tar, Compression::zstd, false, true},
        {tar, ArchiveKind::tar, Compression::none, false, true},
        {"\x7f"
         "ELF\2",
         std::nullopt, Compression::none, true, false},
        {"MZ\x90\0"sv, std::nullopt, Compression::none, true, false},
        {"\xcf\xfa\xed\xfe", std::nullopt, Compression::none, true, true},
        {"/* GNU ld script */\nINPUT(-lx)\n", std::nullopt, Compression::none, false, true},
        {"", std::nullopt, Compression::none, false, false},
        {"text\0"sv, std::nullopt, Compression::none, false, false},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.head) {
            BOOST_TEST((archive_by_content(head(row.head)) == row.kind));
            BOOST_TEST((compression_of(head(row.head)) == row.compression));
            BOOST_TEST(looks_like_binary(head(row.head)) == row.binary);
            BOOST_TEST(looks_like_text(head(row.head)) == row.text);
        }
    }
}

BOOST_AUTO_TEST_CASE(import_roots) {
    const struct {
        const char *path, *below;
    } rows[] = {
        {"numpy/_core/x.so", "numpy/_core/x.so"},
        {"lib/python3.13t/site-packages/numpy/x.so", "numpy/x.so"},
        {"usr/lib/python3/dist-packages/numpy/x.so", "numpy/x.so"},
        {"/v/lib/site-packages/a/site-packages/x.so", "x.so"},
        {"usr/lib/python3.13/lib-dynload/_x.so", "_x.so"},
        {"pkg-1.0.data/platlib/pkg/x.so", "pkg/x.so"},
        {"pkg-1.0.data/purelib/pkg/x.so", "pkg/x.so"},
        {"my-site-packages/x.so", "my-site-packages/x.so"},
        {"", ""},
    };
    for (const auto& row : rows) BOOST_TEST(below_import_root(row.path) == row.below);
}

BOOST_AUTO_TEST_CASE(members) {
    const struct {
        const char *stored, *name;
    } rows[] = {
        {"a/b.so", "a/b.so"},   {"./a/b.so", "a/b.so"},         {".//./a", "a"}, {"a\\b\\c.so", "a/b/c.so"},
        {"../../a", "../../a"}, {"/etc/passwd", "/etc/passwd"}, {"./", ""},      {"C:\\x.dll", "C:/x.dll"},
    };
    for (const auto& row : rows) BOOST_TEST(member_name(row.stored) == row.name);
}

BOOST_AUTO_TEST_CASE(ignored) {
    BOOST_TEST(is_ignored_folder(".git"));
    BOOST_TEST(is_ignored_folder("x.dSYM"));
    BOOST_TEST(!is_ignored_folder("git"));
    BOOST_TEST(is_in_ignored_folder("a/__pycache__/x.so"));
    BOOST_TEST(is_in_ignored_folder("__MACOSX/a/x.so"));
    BOOST_TEST(!is_in_ignored_folder("a/b/__pycache__"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
