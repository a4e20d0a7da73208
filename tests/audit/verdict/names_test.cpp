// Names of files, libraries and entry points.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_names
#include <boost/test/unit_test.hpp>

#include "verdict/python_abi.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using namespace interlock::auditing::verdict;

namespace {

struct TagRow {
    const char* file;
    const char* stem;
    AbiFlavour abi;
    unsigned minor;  // 0: none
    const char* other = "";
};

constexpr TagRow tags[] = {
    {"_x.cpython-313t-x86_64-linux-gnu.so", "_x", AbiFlavour::free_threaded, 13},
    {"_x.cpython-314td-x86_64-linux-gnu.so", "_x", AbiFlavour::free_threaded, 14},
    {"_x.cpython-38-darwin.so", "_x", AbiFlavour::gil, 8},
    {"_x.cpython-37m-x86_64-linux-gnu.so", "_x", AbiFlavour::gil, 7},
    {"_x.cpython-315t-darwin.so", "_x", AbiFlavour::free_threaded, 15},
    {"a/b/_x.cp314t-win_amd64.pyd", "_x", AbiFlavour::free_threaded, 14},
    {"_x_d.cp314t-win_amd64.pyd", "_x_d", AbiFlavour::free_threaded, 14},
    {"_x.cp310-win32.pyd", "_x", AbiFlavour::gil, 10},
    {"_x.abi3.so", "_x", AbiFlavour::abi3, 0},
    {"_x.abi3t.so", "_x", AbiFlavour::abi3t, 0},
    {"_x.abi3-x86_64-linux-gnu.so", "_x", AbiFlavour::abi3, 0},
    {"_x.abi3t-x86_64-linux-gnu.so", "_x", AbiFlavour::abi3t, 0},
    {"_x.pypy310-pp73-x86_64-linux-gnu.so", "_x", AbiFlavour::unknown, 0, "PyPy"},
    {"_x.graalpy240-38-native-x86_64-linux.so", "_x", AbiFlavour::unknown, 0, "GraalPy"},
    {"_x.so", "_x", AbiFlavour::unknown, 0},
    {"_x.pyd", "_x", AbiFlavour::unknown, 0},
    {"_x.v2.cpython-313t-darwin.so", "_x", AbiFlavour::free_threaded, 13},
    {"libfoo.so.1.2", "libfoo", AbiFlavour::unknown, 0},
    {"_x.cpython-.so", "_x", AbiFlavour::unknown, 0},
    {"_x.cp.pyd", "_x", AbiFlavour::unknown, 0},
    {"_x.cpython-99999999999-darwin.so", "_x", AbiFlavour::unknown, 0},
    {"", "", AbiFlavour::unknown, 0},
    {".so", "", AbiFlavour::unknown, 0},
};

}  // namespace

BOOST_AUTO_TEST_CASE(tags_of_files) {
    for (const TagRow& row : tags) {
        BOOST_TEST_CONTEXT(row.file) {
            const FileTag tag = read_file_tag(row.file);
            BOOST_TEST(tag.stem == row.stem);
            BOOST_TEST((tag.abi == row.abi), abi_flavour_name(tag.abi));
            BOOST_TEST((tag.version ? tag.version->minor : 0) == row.minor);
            BOOST_TEST(tag.other_python == row.other);
        }
    }
}

BOOST_AUTO_TEST_CASE(machines_of_files) {
    const auto machine = [](const char* file) {
        const FileTag tag = read_file_tag(file);
        return tag.platform + ' ' + tag.architecture;
    };
    BOOST_TEST(machine("_x.cpython-313t-x86_64-linux-gnu.so") == "linux x86_64");
    BOOST_TEST(machine("_x.abi3t-aarch64-linux-musl.so") == "linux aarch64");
    BOOST_TEST(machine("_x.cpython-313-x86_64-linux-gnux32.so") == "linux ");
    BOOST_TEST(machine("_x.cpython-313t-darwin.so") == "macos ");
    BOOST_TEST(machine("_x.cp313t-win_arm64.pyd") == "windows aarch64");
    BOOST_TEST(machine("_x.pyd") == "windows ");
    for (const char* none : {"_x.so", "_x.abi3.so", "_x.cpython-313-x86_64-cygwin.dll", "_x.cpython-313-.so",
                             "_x.cpython-313-iphoneos.so", "_x.cpython-313-mips-linux-gnu.so"})
        BOOST_TEST(machine(none) == " ", none);
}

BOOST_AUTO_TEST_CASE(modules_by_path) {
    BOOST_TEST(module_name_of("numpy/_core/_x.cpython-313t-darwin.so") == "numpy._core._x");
    BOOST_TEST(module_name_of("mypy/__init__.cpython-314-darwin.so") == "mypy");
    BOOST_TEST(module_name_of("__init__.abi3.so") == "__init__");
    BOOST_TEST(module_name_of("_x.pyd") == "_x");
}

// The vectors of CPython's own tests, and of RFC 3492 with '_' for the delimiter.
BOOST_AUTO_TEST_CASE(punycode) {
    BOOST_TEST(module_name_of_entry_point("PyInitU__testmultiphase_zkouka_naten_evc07gi8e") ==
               "_testmultiphase_zkouška_načtení");
    BOOST_TEST(module_name_of_entry_point("PyInitU_eckzbwbhc6jpgzcx415x") == "＿インポートテスト");
    BOOST_TEST(decode_punycode("bcher_kva").value() == "bücher");
    BOOST_TEST(decode_punycode("ihqwcrb4cv8a8dqg056pqjye").value() == "他们为什么不说中文");
    BOOST_TEST(decode_punycode("plain_").value() == "plain");
    for (const char* wrong : {"!", "a_!", "99999999999999999999", "zzzzzzzzzzzzzzzzzzzz", "a_0"})
        BOOST_TEST(!decode_punycode(wrong).has_value(), wrong);
    BOOST_TEST(!decode_punycode(std::string(1000, 'a')).has_value());
    BOOST_TEST(module_name_of_entry_point("PyInitU_!") == "!");
}

BOOST_AUTO_TEST_CASE(names_of_entry_points) {
    BOOST_TEST(module_name_of_entry_point("PyInit__x") == "_x");
    BOOST_TEST(module_name_of_entry_point("PyModExport_x") == "x");
    BOOST_TEST(module_name_of_entry_point("il_module_export_textkit") == "textkit");
}

namespace {

struct LibraryRow {
    const char* library;
    AbiFlavour abi;
    unsigned minor;
};

}  // namespace

BOOST_AUTO_TEST_CASE(libraries_tell_the_abi) {
    for (const LibraryRow& row :
         {LibraryRow{"python313t.dll", AbiFlavour::free_threaded, 13}, LibraryRow{"PYTHON314.DLL", AbiFlavour::gil, 14},
          LibraryRow{"python3.dll", AbiFlavour::abi3, 0}, LibraryRow{"python3t.dll", AbiFlavour::abi3t, 0},
          LibraryRow{"python315t_d.dll", AbiFlavour::free_threaded, 15},
          LibraryRow{"libpython3.13t.so.1.0", AbiFlavour::free_threaded, 13},
          LibraryRow{"libpython3.12.so.1.0", AbiFlavour::gil, 12}, LibraryRow{"python.dll", AbiFlavour::unknown, 0},
          LibraryRow{"pythonx.dll", AbiFlavour::unknown, 0}, LibraryRow{"libm.so.6", AbiFlavour::unknown, 0},
          LibraryRow{"dll", AbiFlavour::unknown, 0}}) {
        BOOST_TEST_CONTEXT(row.library) {
            Image image;
            image.libraries = {"libc.so.6", row.library};
            const LinkedAbi linked = read_linked_abi(image);
            BOOST_TEST((linked.abi == row.abi), abi_flavour_name(linked.abi));
            BOOST_TEST((linked.version ? linked.version->minor : 0) == row.minor);
        }
    }
}

BOOST_AUTO_TEST_CASE(symbols_tell_the_abi) {
    Image image;
    image.imports = {Import{.name = "PyModuleDef_Init", .library = {}}, Import{.name = "_Py_Dealloc", .library = {}}};
    BOOST_TEST((read_linked_abi(image).abi == AbiFlavour::gil));
    image.imports.push_back({.name = "_Py_DecRefShared", .library = {}});
    BOOST_TEST((read_linked_abi(image).abi == AbiFlavour::free_threaded));
}
