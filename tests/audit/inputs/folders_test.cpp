// folders_test.cpp: folders of all kinds, hostile ones too, and files that are named one by one.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_maker.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
namespace {

using namespace interlock::test;
namespace fs = std::filesystem;

/// Root can read everything; so be somebody else for a moment.
class WithoutPrivileges {
public:
    WithoutPrivileges() : changed_(::geteuid() == 0 && ::seteuid(65534) == 0) {}
    WithoutPrivileges(const WithoutPrivileges&) = delete;
    WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;
    ~WithoutPrivileges() {
        if (changed_ && ::seteuid(0) != 0) std::abort();
    }

private:
    bool changed_;
};

BOOST_AUTO_TEST_SUITE(folders)

BOOST_AUTO_TEST_CASE(in_stable_order_without_what_is_ignored) {
    const TemporaryFolder folder;
    for (const char* file : {"b/x.so", "a/z.so", "a/b/c/d.pyd", "c.dylib", "a/readme.txt", ".git/x.so",
                             "a/__pycache__/x.so", "libx.so.1.2", "a.dSYM/Contents/x.dylib"})
        folder.write(file, library(file));
    const Walk walk({folder.path().native()});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"c.dylib", "libx.so.1.2", "a/z.so", "a/b/c/d.pyd", "b/x.so"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.errors.empty());
    BOOST_TEST(walk.found[0].package == "folder " + folder.path().filename().native() + " ");
    BOOST_TEST(walk.found[2].package == "folder a ");
    BOOST_TEST(walk.found[3].package == "folder a ");
    BOOST_TEST(walk.walk.files() == 6);
    for (const auto& found : walk.found) BOOST_TEST(!found.named);
}

BOOST_AUTO_TEST_CASE(links) {
    const TemporaryFolder folder, outside;
    folder.write("real/libx.so.1.2", library("x"));
    outside.write("far/y.so", library("y"));
    outside.write("z.so", library("z"));
    fs::create_symlink("real/libx.so.1.2", folder.path() / "a_link.so");
    fs::create_symlink("libx.so.1.2", folder.path() / "real/libx.so");
    fs::create_directory_symlink("..", folder.path() / "real/up");
    fs::create_directory_symlink("/", folder.path() / "root");
    fs::create_directory_symlink("real", folder.path() / "again");
    fs::create_directory_symlink(outside.path() / "far", folder.path() / "far");
    fs::create_symlink(outside.path() / "z.so", folder.path() / "z1.so");
    fs::create_symlink(outside.path() / "z.so", folder.path() / "z2.so");
    fs::create_symlink("self.so", folder.path() / "self.so");
    fs::create_symlink("nothing", folder.path() / "broken.so");
    const Walk walk({folder.path().native()});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"real/libx.so.1.2", "far/y.so", "z1.so"}),
               boost::test_tools::per_element());
    BOOST_TEST(walk.errors.empty());
    BOOST_TEST(walk.skips == (Texts{(folder / "broken.so") + ": a link to nothing",
                                    (folder / "self.so") + ": a link to nothing"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_file_once_whatever_the_inputs) {
    const TemporaryFolder folder;
    folder.write("a/x.so", library("x"));
    folder.write("p.whl", zip({{"m.so", library("m")}, {"n.so", library("n")}}));
    const Walk walk(
        {folder / "a/x.so", folder / "a", folder.path().native(), folder / "a/../a/x.so", folder / "p.whl"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"a/x.so", "p.whl!m.so", "p.whl!n.so"}),
               boost::test_tools::per_element());
    const Walk members({folder / "p.whl!n.so", folder / "p.whl!m.so", folder / "p.whl!n.so"});
    BOOST_TEST(members.paths(folder.path()) == (Texts{"p.whl!n.so", "p.whl!m.so"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_no_file) {
    const TemporaryFolder folder;
    folder.write("x.so", library("x"));
    BOOST_REQUIRE(::mkfifo((folder / "fifo.so").c_str(), 0600) == 0);
    fs::create_directory(folder.path() / "folder.so");
    const Walk walk({folder.path().native(), folder / "fifo.so", "/dev/null", folder / "missing", folder / "x.so/y"});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.so"}, boost::test_tools::per_element());
    BOOST_REQUIRE(walk.errors.size() == 4);
    BOOST_TEST(walk.errors[0].message == "cannot read '" + (folder / "fifo.so") + "': it is a FIFO");
    BOOST_TEST((walk.errors[0].code == Errc::unreadable));
    BOOST_TEST(walk.errors[1].message == "cannot read '/dev/null': it is a device or socket");
    BOOST_TEST(walk.errors[2].message == "no such file or folder: '" + (folder / "missing") + "'");
    BOOST_TEST((walk.errors[2].code == Errc::not_found));
    BOOST_TEST((walk.errors[3].code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(deeper_than_any_path) {
    const TemporaryFolder folder;
    constexpr int levels = 1'200;
    std::string deep = folder.path().native();
    int at = ::open(deep.c_str(), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < levels; ++i) {
        BOOST_REQUIRE(::mkdirat(at, "ddd", 0700) == 0);
        const int next = ::openat(at, "ddd", O_RDONLY | O_DIRECTORY);
        ::close(at);
        at = next;
        deep += "/ddd";
    }
    const int file = ::openat(at, "x.so", O_WRONLY | O_CREAT, 0600);
    const std::string content = library("deep");
    BOOST_REQUIRE(::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    ::close(file);
    BOOST_REQUIRE(::symlinkat("x.so", at, "y.so") == 0);
    BOOST_REQUIRE(::symlinkat("..", at, "up") == 0);
    ::close(at);
    const Walk walk({folder.path().native()});
    BOOST_TEST(walk.errors.empty());
    BOOST_REQUIRE(!walk.found.empty());
    BOOST_TEST(walk.found[0].path == deep + "/x.so");
    BOOST_TEST(walk.found[0].content == content);
    // std::filesystem cannot go there either.
    at = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY);
    std::vector<int> way = {at};
    for (int i = 0; i < levels; ++i) way.push_back(::openat(way.back(), "ddd", O_RDONLY | O_DIRECTORY));
    for (const char* name : {"x.so", "y.so", "up"}) ::unlinkat(way.back(), name, 0);
    for (; way.size() > 1; way.pop_back()) {
        ::close(way.back());
        ::unlinkat(way[way.size() - 2], "ddd", AT_REMOVEDIR);
    }
    ::close(at);
}

BOOST_AUTO_TEST_CASE(what_is_installed_is_not_ignored) {
    const TemporaryFolder folder;
    folder.write("x-1.dist-info/METADATA", "Name: x\n");
    folder.write("x-1.dist-info/RECORD", "");
    for (const char* file : {"node_modules/a.so", "x/__pycache__/b.so", "x/.git/c.so"})
        folder.write(file, library(file));
    const Walk walk({folder.path().native()});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"node_modules/a.so", "x/__pycache__/b.so"}),
               boost::test_tools::per_element());
    const Walk wheel({folder.write("y-1-py3-none-any.whl", zip({{"node_modules/a.so", library("a")}}))});
    BOOST_TEST(wheel.found.size() == 1u);
    const Walk plain({folder.write("y.zip", zip({{"node_modules/a.so", library("a")}}))});
    BOOST_TEST(plain.found.empty());
}

BOOST_AUTO_TEST_CASE(folder_without_permission) {
    const TemporaryFolder folder;
    folder.write("a/x.so", library("x"));
    folder.write("closed/y.so", library("y"));
    folder.write("z/z.so", library("z"));
    fs::permissions(folder.path(), fs::perms::all);
    fs::permissions(folder.path() / "closed", fs::perms::none);
    {
        const WithoutPrivileges other;
        const Walk walk({folder.path().native()});
        BOOST_TEST(walk.paths(folder.path()) == (Texts{"a/x.so", "z/z.so"}), boost::test_tools::per_element());
        BOOST_REQUIRE(walk.errors.size() == 1);
        BOOST_TEST(walk.errors[0].path == folder / "closed");
        BOOST_TEST(walk.errors[0].message == "cannot read '" + (folder / "closed") + "': Permission denied");
    }
    fs::permissions(folder.path() / "closed", fs::perms::all);
}

BOOST_AUTO_TEST_CASE(nothing_in_it) {
    const TemporaryFolder folder;
    folder.write("pure-1-py3-none-any.whl", zip({{"pure/__init__.py", ""}}));
    const Walk wheel({folder / "pure-1-py3-none-any.whl"});
    BOOST_TEST(wheel.skips == Texts{(folder / "pure-1-py3-none-any.whl") + ": no compiled modules in it"},
               boost::test_tools::per_element());
    const TemporaryFolder empty;
    const Walk walk({empty.path().native()});
    BOOST_TEST(walk.skips == Texts{empty.path().native() + ": no compiled modules in it"},
               boost::test_tools::per_element());
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(named_files) {
    const TemporaryFolder folder;
    folder.write("any name", library("x"));
    folder.write("script", "no binary");
    folder.write("pkg/__init__.py", "");
    folder.write("pkg/sub/__init__.py", "");
    folder.write("pkg/sub/m.so", library("m"));
    folder.write("renamed", zip({{"m.so", library("in zip")}}));
    folder.write("we!ird.so", library("w"));
    const Walk walk(
        {folder / "any name", folder / "script", folder / "pkg/sub/m.so", folder / "renamed", folder / "we!ird.so"});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"any name", "script", "pkg/sub/m.so", "renamed!m.so", "we!ird.so"}),
               boost::test_tools::per_element());
    for (const auto& found : walk.found) BOOST_TEST(found.named == (found.path != (folder / "renamed!m.so")));
    BOOST_TEST(walk.found[0].package == "file any name ");
    BOOST_TEST(walk.found[2].module_path == "pkg/sub/m.so");
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(module_paths_of_folders) {
    const TemporaryFolder folder;
    folder.write("pkg/__init__.py", "");
    folder.write("pkg/m.so", library("m"));
    folder.write("build/lib/n.so", library("n"));
    const Walk walk({folder / "pkg", folder / "build"});
    BOOST_REQUIRE(walk.found.size() == 2);
    BOOST_TEST(walk.found[0].module_path == "pkg/m.so");
    BOOST_TEST(walk.found[1].module_path == "n.so");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
