// packages_test.cpp: to which package a file belongs, by tables and by real folders and archives.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include "archive_maker.hpp"
#include "inputs/package.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
using namespace inputs;
namespace {

using namespace interlock::test;

BOOST_AUTO_TEST_SUITE(packages)

BOOST_AUTO_TEST_CASE(wheel_names) {
    const struct {
        const char *file, *name, *version;
        Texts tags;
    } rows[] = {
        {"numpy-2.1.0-cp313-cp313t-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
         "numpy",
         "2.1.0",
         {"cp313-cp313t-manylinux2014_x86_64", "cp313-cp313t-manylinux_2_17_x86_64"}},
        {"pkg-1.0-1a-py2.py3-none-any.whl", "pkg", "1.0", {"py2-none-any", "py3-none-any"}},
        {"ruamel_yaml_clib-0.2.12-cp313-cp313-win_amd64.WHL", "ruamel_yaml_clib", "0.2.12", {"cp313-cp313-win_amd64"}},
        {"x-1-cp39-abi3.abi3-any.whl", "x", "1", {"cp39-abi3-any"}},
    };
    for (const auto& row : rows) {
        const auto wheel = parse_wheel_name(row.file);
        BOOST_REQUIRE_MESSAGE(wheel, row.file);
        BOOST_TEST(wheel->name == row.name);
        BOOST_TEST(wheel->version == row.version);
        BOOST_TEST(wheel->tags == row.tags, boost::test_tools::per_element());
    }
    for (const char* wrong : {"numpy.whl", "a-b-c-d.whl", "a-1-x-py3-none-any.whl", "a--py3-none-any.whl",
                              "a-1-py3-none-any.zip", "a-1-1-py3-none-any-more.whl", "-1-py3-none-any.whl"})
        BOOST_TEST(!parse_wheel_name(wrong).has_value(), wrong);
    std::string many = "x-1-";
    for (int i = 0; i < 1001; ++i) many += i == 0 ? "a" : ".a";
    BOOST_TEST(!parse_wheel_name(many + "-none-any.whl").has_value());
}

BOOST_AUTO_TEST_CASE(other_names) {
    const auto conda = parse_conda_name("ruamel.yaml-clib-0.2.8-py313h4e_0.conda");
    BOOST_REQUIRE(conda);
    BOOST_TEST(conda->name == "ruamel.yaml-clib");
    BOOST_TEST(conda->version == "0.2.8");
    BOOST_TEST(!parse_conda_name("x.conda").has_value());
    BOOST_TEST(!parse_conda_name("x-1.conda").has_value());
    BOOST_TEST(!parse_conda_name("-1-2.conda").has_value());
    const auto deb = parse_deb_name("python3-numpy_1%3a1.24.2-1_amd64.deb");
    BOOST_REQUIRE(deb);
    BOOST_TEST(deb->name == "python3-numpy");
    BOOST_TEST(deb->version == "1:1.24.2-1");
    BOOST_TEST(!parse_deb_name("x.deb").has_value());
}

BOOST_AUTO_TEST_CASE(sameness) {
    BOOST_TEST(same_distribution("ruamel.yaml_clib", "Ruamel-YAML-.clib"));
    BOOST_TEST(!same_distribution("numpy", "numpy2"));
    BOOST_TEST(same_version("1.0", "1.0.0"));
    BOOST_TEST(same_version("2.5.1+cu121", "2.5.1_cu121"));
    BOOST_TEST(same_version("v1.0", "1"));
    BOOST_TEST(!same_version("1.0", "1.1"));
    BOOST_TEST(!same_version("10", "1"));
}

BOOST_AUTO_TEST_CASE(headers) {
    const std::string text = "Wheel-Version: 1.0\r\nTag: a-b-c\r\nTAG:  d-e-f \r\nTags: no\n\nTag: body\n";
    BOOST_TEST(header_values(text, "Tag") == (Texts{"a-b-c", "d-e-f"}), boost::test_tools::per_element());
    BOOST_TEST(header_values("", "Tag").empty());
    BOOST_TEST(header_values("Tag", "Tag").empty());
}

BOOST_AUTO_TEST_CASE(records) {
    const std::string text = "a/x.so,sha256=1,2\n\"b,c/\"\"y\"\".so\",,\r\n\nlast";
    BOOST_TEST(record_paths(text) == (Texts{"a/x.so", "b,c/\"y\".so", "last"}), boost::test_tools::per_element());
    BOOST_TEST(record_paths("\"").empty());
}

BOOST_AUTO_TEST_CASE(wheel) {
    const TemporaryFolder folder;
    const std::string name = "Pkg_x-1.0-cp313-cp313t-linux_x86_64.whl";
    folder.write(name, zip({{"pkg_x/a.so", library("a")},
                            {"Pkg_x-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pkg.x\nVersion: 1.0.0\n"},
                            {"Pkg_x-1.0.dist-info/WHEEL", "Tag: cp313-cp313t-linux_x86_64\n"}}));
    const Walk walk({folder / name});
    BOOST_REQUIRE(walk.found.size() == 1);
    BOOST_TEST(walk.found[0].in_wheel);
    const PackageAudit& package = walk.walk.packages().at(0);
    BOOST_TEST(package.kind == "wheel");
    BOOST_TEST(package.name == "pkg.x");
    BOOST_TEST(package.version == "1.0.0");
    BOOST_TEST(package.path == folder / name);
    BOOST_TEST(package.wheel_tags == Texts{"cp313-cp313t-linux_x86_64"}, boost::test_tools::per_element());
    BOOST_TEST(package.notes.empty());
    BOOST_TEST(package.metadata_tags.empty());

    // Sets of tags are meant as in a file name, although the standard wants a line for each.
    const std::string set = "y-1-py3-none-linux_x86_64.manylinux2014_x86_64.whl";
    folder.write(set, zip({{"a.so", library("a")},
                           {"y-1.dist-info/WHEEL", "Tag: py3-none-manylinux2014_x86_64.linux_x86_64\n"}}));
    BOOST_TEST(Walk({folder / set}).walk.packages().at(0).metadata_tags.empty());
}

BOOST_AUTO_TEST_CASE(wheel_that_contradicts_itself) {
    const TemporaryFolder folder;
    // Whether the metadata comes before or behind the library makes no difference.
    for (const bool before : {false, true}) {
        std::vector<ZipEntry> entries = {{"y-2.dist-info/METADATA", "Name: y\nVersion: 2\n"},
                                         {"y-2.dist-info/WHEEL", "Tag: cp314-cp314-linux_x86_64\n"}};
        entries.insert(before ? entries.end() : entries.begin(), {"y/a.so", library("a")});
        folder.write("x-1-cp313-cp313t-linux_x86_64.whl", zip(entries));
        const Walk walk({folder / "x-1-cp313-cp313t-linux_x86_64.whl"});
        const PackageAudit& package = walk.walk.packages().at(0);
        BOOST_TEST(package.notes ==
                       (Texts{"the file is named 'x', its METADATA says 'y': an installer refuses it",
                              "the file is named as version '1', its METADATA says '2': an installer refuses it"}),
                   boost::test_tools::per_element());
        BOOST_TEST(package.metadata_tags == Texts{"cp314-cp314-linux_x86_64"}, boost::test_tools::per_element());
        BOOST_TEST(package.name == "y");
        BOOST_TEST(package.wheel_tags == Texts{"cp313-cp313t-linux_x86_64"}, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(conda_and_deb) {
    const TemporaryFolder folder;
    tar(folder / "info.tar.zst", {{"info/index.json", R"({"name": "named", "version": "3.0", "depends": ["x"]})"}},
        ARCHIVE_FILTER_ZSTD);
    tar(folder / "pkg.tar.zst", {{"lib/python3.13/site-packages/p/m.so", library("m")}}, ARCHIVE_FILTER_ZSTD);
    folder.write("p-1.0-0.conda", zip({{"metadata.json", "{}"},
                                       {"pkg-p-1.0-0.tar.zst", content_of(folder / "pkg.tar.zst")},
                                       {"info-p-1.0-0.tar.zst", content_of(folder / "info.tar.zst")}}));
    tar(folder / "control.tar.xz", {{"./control", "Package: python3-p\nVersion: 1:2-3\n"}}, ARCHIVE_FILTER_XZ);
    tar(folder / "data.tar.xz", {{"./usr/lib/python3/dist-packages/p/m.so", library("d")}}, ARCHIVE_FILTER_XZ);
    folder.write("whatever.deb", ar({{"debian-binary", "2.0\n"},
                                     {"control.tar.xz", content_of(folder / "control.tar.xz")},
                                     {"data.tar.xz", content_of(folder / "data.tar.xz")}}));
    const Walk walk({folder / "p-1.0-0.conda", folder / "whatever.deb"});
    BOOST_TEST(walk.errors.empty());
    BOOST_TEST(
        walk.paths(folder.path()) == (Texts{"p-1.0-0.conda!pkg-p-1.0-0.tar.zst!lib/python3.13/site-packages/p/m.so",
                                            "whatever.deb!data.tar.xz!usr/lib/python3/dist-packages/p/m.so"}),
        boost::test_tools::per_element());
    BOOST_REQUIRE(walk.walk.packages().size() == 2);
    BOOST_TEST(walk.walk.packages()[0].name == "named");
    BOOST_TEST(walk.walk.packages()[0].version == "3.0");
    BOOST_TEST(walk.walk.packages()[0].path == folder / "p-1.0-0.conda");
    BOOST_TEST(walk.walk.packages()[1].name == "python3-p");
    BOOST_TEST(walk.walk.packages()[1].version == "1:2-3");
    for (const auto& found : walk.found) BOOST_TEST(found.module_path == "p/m.so");
    // A user need not know the parts.
    const Walk one({folder / "whatever.deb!usr/lib/python3/dist-packages/p/m.so"});
    BOOST_TEST(one.found.size() == 1);
    BOOST_TEST(one.errors.empty());
}

BOOST_AUTO_TEST_CASE(site_packages) {
    const TemporaryFolder folder;
    const std::string site = "lib/python3.13t/site-packages/";
    folder.write("pyvenv.cfg", "home = /usr\n");
    folder.write("lib/other.so", library("outside of site-packages"));
    folder.write(site + "a_dist-1.2.dist-info/RECORD", "a/x.so,,\n\"b/y.so\",,\n../../../bin/z.so,,\n");
    folder.write(site + "a_dist-1.2.dist-info/METADATA", "Name: A.dist\nVersion: 1.2\n\n");
    folder.write(site + "c-3.dist-info/top_level.txt", "c_module\n_single\n");
    folder.write(site + "d_e-4.dist-info/INSTALLER", "pip\n");
    for (const char* file : {"a/x.so", "a/not_listed.so", "b/y.so", "c_module/sub/x.so", "_single.cpython-313t.so",
                             "d_e/x.so", "orphan/x.so", "orphan.so"})
        folder.write(site + file, library(file));
    std::filesystem::create_directory_symlink("lib", folder.path() / "lib64");
    const Walk walk({folder / ""});
    std::map<std::string, std::string> owners;
    for (const auto& found : walk.found) {
        BOOST_TEST(found.content == library(found.module_path));
        owners[found.module_path] = found.package;
    }
    const std::map<std::string, std::string> expected = {
        {"a/x.so", "distribution A.dist 1.2"},
        {"b/y.so", "distribution A.dist 1.2"},
        {"a/not_listed.so", "folder a "},
        {"c_module/sub/x.so", "distribution c 3"},
        {"_single.cpython-313t.so", "distribution c 3"},
        {"d_e/x.so", "distribution d_e 4"},
        {"orphan/x.so", "folder orphan "},
        {"orphan.so", "folder site-packages "},
    };
    BOOST_TEST((owners == expected));
    for (const auto& [path, owner] : owners) BOOST_TEST_INFO(path << " -> " << owner);
    BOOST_TEST(walk.found.size() == expected.size());
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(environments) {
    const struct {
        const char *sign, *packages;
    } rows[] = {
        {"pyvenv.cfg", "lib/python3.14t/site-packages"},       {"pyvenv.cfg", "Lib/site-packages"},
        {"pyvenv.cfg", "lib64/python3.13/site-packages"},      {"bin/python3", "lib/python3/dist-packages"},
        {"bin/python3", "local/lib/python3.11/dist-packages"}, {"conda-meta/history", "lib/python3.13/site-packages"},
    };
    for (const auto& row : rows) {
        const TemporaryFolder folder;
        folder.write(row.sign, "");
        folder.write(std::string(row.packages) + "/p/x.so", library("x"));
        folder.write("share/y.so", library("y"));
        const Walk walk({folder.path().native()});
        BOOST_TEST(walk.paths(folder.path()) == Texts{std::string(row.packages) + "/p/x.so"},
                   boost::test_tools::per_element());
    }
    const TemporaryFolder none;  // a folder with packages, and no environment
    none.write("lib/python3.13/site-packages/p/x.so", library("x"));
    none.write("share/y.so", library("y"));
    BOOST_TEST(Walk({none.path().native()}).found.size() == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
