// plan_python_test.cpp: `interlock plan --python`. The interpreter is a script that makes a free-threaded 3.13 for
// Linux of the Python that is there, as far as it is asked.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_plan_python
#include <boost/test/unit_test.hpp>

#include "python_support.hpp"

using namespace interlock::test;

namespace {

std::string write_python(const Folder& folder, bool free_threaded = true) {
    return write_program(folder, free_threaded ? "python3.13t" : "python3.13", R"(#!/bin/sh
# -I -S -c PROGRAM [ARGUMENT]
shift 3
exec )" + from_environment("INTERLOCK_TEST_PYTHON3") + R"( -I -S -c '
import ast, importlib.machinery as m, importlib.metadata, email.parser, json, site, sys, sysconfig, tokenize
suffix = ".cpython-313t-x86_64-linux-gnu.so"
m.EXTENSION_SUFFIXES[:] = [suffix]
sys.path_hooks[:] = [m.FileFinder.path_hook((m.ExtensionFileLoader, [suffix]), (m.SourceFileLoader, [".py"]))]
sys.version_info = (3, 13, 5)
sysconfig.get_config_var = lambda name: )" + (free_threaded ? "1" : "0") + R"(
exec(sys.argv.pop(1))' "$@"
)");
}

void copy_extension(const Folder& folder, const std::string& name, const std::string& as) {
    const std::string suffix = ".cpython-313t-x86_64-linux-gnu.so";
    const std::filesystem::path file = folder / (as + suffix);
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::copy_file(from_environment("INTERLOCK_TEST_EXTENSIONS") + "/" + name + suffix, file);
}

/// Packages: good imports one module of two; bad is not imported by it.
std::string write_packages(const Folder& folder) {
    folder.write("lib/good/__init__.py", "from . import multi_free\n");
    folder.write("lib/bad/__init__.py", "def later():\n    import bad.multi_used\n");
    copy_extension(folder, "multi_free", "lib/good/multi_free");
    copy_extension(folder, "multi_unmarked", "lib/good/multi_unmarked");
    copy_extension(folder, "multi_used", "lib/bad/multi_used");
    return folder / "lib";
}

Json plan(const Words& arguments, const Variables& environment, int status) {
    Words words{"plan", "--json", "--python"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Finished finished = call(words, environment);
    CHECK_STATUS(finished, status);
    BOOST_TEST(finished.err == "");
    return Json::parse(finished.out);
}

/// "name reached action decided_by" of each module.
Words summary(const Json& report) {
    Words lines;
    for (const Json& one : report.at("modules"))
        lines.push_back(one.at("module").get<std::string>() + " " + one.at("reached").get<std::string>() + " " +
                        one.at("action").get<std::string>() + " " + one.at("decided_by").get<std::string>());
    return lines;
}

#define CHECK_SUMMARY(report, ...)                                                                 \
    do {                                                                                           \
        const Words expected = __VA_ARGS__, seen = summary(report);                                \
        BOOST_CHECK_EQUAL_COLLECTIONS(seen.begin(), seen.end(), expected.begin(), expected.end()); \
    } while (false)

}  // namespace

BOOST_AUTO_TEST_SUITE(plan_of_an_environment)

BOOST_AUTO_TEST_CASE(of_a_folder) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const Json report = plan({python, packages}, {}, 1);
    BOOST_TEST(report.at("schema_version") == 1);
    BOOST_TEST(report.at("python").at("version") == "3.13t");
    CHECK_SUMMARY(report, {"bad.multi_used all global_lock marker", "good.multi_free all free marker",
                           "good.multi_unmarked all global_lock default"});
    BOOST_TEST(report.at("turn_gil_on") == Json({"bad.multi_used", "good.multi_unmarked"}));
}

BOOST_AUTO_TEST_CASE(of_all_that_can_be_imported) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const Json report = plan({python}, {{"PYTHONPATH", packages}}, 1);
    BOOST_TEST(Json({"bad.multi_used", "good.multi_unmarked"}) == report.at("turn_gil_on"));
}

BOOST_AUTO_TEST_CASE(a_module_that_another_one_makes_is_as_that_one) {
    const Folder folder;
    const std::string python = write_python(folder), lib = folder / "lib";
    copy_extension(folder, "delegated_cffi", "lib/made");
    CHECK_SUMMARY(plan({python, lib}, {}, 1), {"made all interpreter default"});
    copy_extension(folder, "multi_free", "lib/_cffi_backend");
    const Json report = plan({python, lib}, {}, 0);
    CHECK_SUMMARY(report, {"_cffi_backend all free marker", "made all free marker"});
    const Json& made = report.at("modules")[1];
    BOOST_TEST(made.at("verdict") == "delegated");
    const Json& why = made.at("why");
    BOOST_REQUIRE(why.size() == 3u);
    BOOST_TEST(why[1] == Json({{"source", "default"},
                               {"says", "interpreter"},
                               {"decided", false},
                               {"text", "what it does is not known, so the interpreter decides"}}));
    BOOST_TEST(why[2].at("decided") == true);
    BOOST_TEST(why[2].at("text") == "its module is made by _cffi_backend, which says: " +
                                        report.at("modules")[0].at("why")[0].at("text").get<std::string>());
    // By whatever decides about that one; where it is refused, what becomes of this one is to be seen.
    for (const char* action : {"global_lock", "refuse"})
        CHECK_SUMMARY(plan({python, lib, "--override", std::string("_cffi_backend=") + action}, {}, 1),
                      {std::string("_cffi_backend all ") + action + " override", "made all global_lock marker"});
}

BOOST_AUTO_TEST_CASE(of_what_a_script_reaches) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const std::string script = folder.write("app.py", "import sys\nif sys.argv:\n    import good\n");
    const Json report = plan({python, script}, {{"PYTHONPATH", packages}}, 1);
    CHECK_SUMMARY(report, {"good.multi_free imported free marker", "good.multi_unmarked possible global_lock default"});
    BOOST_TEST(report.at("modules")[0].at("imported_by") == Json({"good", script + ":3"}));
    BOOST_TEST(report.at("notes").empty());

    // In a function, by name, and from the script's own folder.
    folder.write("helper.py", "def f():\n    from bad import multi_used as x\n");
    const std::string other = folder.write("other.py", "__import__('helper')\n");
    CHECK_SUMMARY(plan({python, other}, {{"PYTHONPATH", packages}}, 1), {"bad.multi_used imported global_lock marker"});
    const std::string neither = folder.write("neither.py", "import json\n");
    CHECK_SUMMARY(plan({python, neither}, {{"PYTHONPATH", packages}}, 0), {});
}

BOOST_AUTO_TEST_CASE(an_import_that_finds_nothing_fails) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    struct Row {
        const char *script, *missing, *note;
    };
    const std::vector<Row> rows = {
        {"import not_there\n", "not_there 1", nullptr},
        {"import good.not_there\n", "good.not_there 1", nullptr},
        {"from not_there.sub import x\n", "not_there 1", nullptr},
        {"def main():\n    import not_there\nif __name__ == '__main__':\n    import other_one\n",
         "not_there 2, other_one 4", nullptr},
        {"class A:\n    with open('x') as f:\n        import not_there\n", "not_there 3", nullptr},
        // Of a module of one's own, which has been reached.
        {"import helper\n", "inside 1", nullptr},
        // Somebody is prepared, or nobody imports it.
        {"try:\n    import not_there\nexcept ImportError:\n    import nor_that\n", "", nullptr},
        {"try:\n    import not_there\nexcept (KeyError, ModuleNotFoundError):\n    pass\n", "", nullptr},
        {"import contextlib\nwith contextlib.suppress(ImportError):\n    import not_there\n", "", nullptr},
        {"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import not_there\n", "", nullptr},
        {"try:\n    import not_there\nexcept KeyError:\n    pass\n", "not_there 2", nullptr},
        {"import sys\nif sys.argv:\n    import not_there\n", "", ":3: there is no module not_there; whether"},
        // A name in a module need not be a module.
        {"from good import anything\n", "", nullptr},
        {"import winreg, xml.not_there\n", "", nullptr},
        {"import good.plain_folder.inner\n", "", nullptr},
        {"import sys\nsys.path.insert(0, 'x')\nimport not_there\n", "",
         ":3: there is no module not_there, unless it is where"},
        {"import sys\nprint(sys.path)\nimport not_there\n", "not_there 3", nullptr},
        {"import conjurer.rabbit\n", "", ":1: there is no file for conjurer.rabbit, which conjurer may make"},
    };
    folder.write("lib/helper.py", "import inside\n");
    folder.write("lib/good/plain_folder/inner.py", "");
    folder.write("lib/conjurer/__init__.py", "import sys, types\nsys.modules['conjurer.rabbit'] = types\n");
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.script) {
            const std::string script = folder.write("app.py", row.script);
            const Json report = plan({python, script, "--override", "good.multi_unmarked=free"},
                                     {{"PYTHONPATH", packages}}, *row.missing == '\0' ? 0 : 1);
            std::string missing;
            for (const Json& one : report.at("missing")) {
                const std::string at = one.at("imported_at");
                missing += (missing.empty() ? "" : ", ") + one.at("module").get<std::string>() + " " +
                           at.substr(at.rfind(':') + 1);
            }
            BOOST_TEST(missing == row.missing);
            const Json& notes = report.at("notes");
            BOOST_TEST(notes.size() == (row.note == nullptr ? 0u : 1u));
            if (row.note != nullptr && !notes.empty()) CHECK_CONTAINS(notes[0].get<std::string>(), row.note);
        }
    }
    const std::string script = folder.write("app.py", "import not_there\n");
    const Finished finished = call({"plan", "--python", python, script});
    CHECK_STATUS(finished, 1);
    CHECK_CONTAINS(finished.out,
                   "not_there  -        -         -           import fails  imported by " + script + ":1\n");
    CHECK_CONTAINS(finished.out, "  error       there is no module of this name where the interpreter looks\n");
    CHECK_CONTAINS(finished.out, "; 1 import is not found\n");
    const Finished with_gil = call({"plan", "--python", write_python(folder, false), script});
    CHECK_STATUS(with_gil, 1);
    CHECK_CONTAINS(with_gil.out, "not_there  imported by ");
}

// Optional imports are usual in what others wrote; only what each import of it runs is sure.
BOOST_AUTO_TEST_CASE(of_distributions_only_what_always_runs_counts) {
    const Folder folder;
    const std::string python = write_python(folder);
    folder.write("lib/dist/__init__.py", "def f():\n    import not_there\nif f:\n    import nor_that\nimport gone\n");
    folder.write("lib/dist-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: dist\nVersion: 1.0\n");
    folder.write("lib/dist-1.0.dist-info/RECORD", "dist/__init__.py,,\n");
    const std::string script = folder.write("app.py", "import dist\n");
    const Json report = plan({python, script}, {{"PYTHONPATH", folder / "lib"}}, 1);
    BOOST_REQUIRE(report.at("missing").size() == 1u);
    BOOST_TEST(report.at("missing")[0].at("module") == "gone");
    BOOST_TEST(report.at("notes").empty());
}

/// A virtual environment with these files in its site-packages.
std::string write_environment(const Folder& folder, const std::vector<std::pair<std::string, std::string>>& files) {
    const std::string python = write_python(folder);
    folder.write("venv/pyvenv.cfg", "home = /nowhere\ninclude-system-site-packages = false\n");
    for (const std::string& name : {std::string("python3.13"), std::string("python3.13t")})
        for (const auto& [file, content] : files) folder.write("venv/lib/" + name + "/site-packages/" + file, content);
    const std::string inside = folder / "venv/bin/python";
    std::filesystem::create_directories(folder / "venv/bin");
    const std::string content = content_of(python);
    const std::size_t place = content.find("sys.version_info =");
    write_program(folder, "venv/bin/python",
                  content.substr(0, place) + "sys.executable = \"" + inside + "\"\n" + content.substr(place));
    return folder / "venv";
}

BOOST_AUTO_TEST_CASE(editable_installs_are_followed_as_far_as_they_are_written_down) {
    struct Row {
        const char* tool;
        std::vector<std::pair<std::string, std::string>> files;
        bool seen;
    };
    const Folder sources;
    write_packages(sources);
    const std::string lib = sources / "lib";
    const std::string extension = lib + "/good/multi_free.cpython-313t-x86_64-linux-gnu.so";
    const std::vector<Row> rows = {
        {"a path", {{"__editable__.good-1.0.pth", lib + "\n"}}, true},
        {"setuptools",
         {{"__editable__.good-1.0.pth",
           "import __editable___good_1_0_finder; __editable___good_1_0_finder.install()\n"},
          {"__editable___good_1_0_finder.py", "import sys\nMAPPING: dict[str, str] = {'good': '" + lib +
                                                  "/good'}\n"
                                                  "NAMESPACES: dict[str, list[str]] = {}\ndef install(): pass\n"}},
         true},
        {"editables",
         {{"_good.pth", "import _editable_impl_good\n"},
          {"_editable_impl_good.py",
           "from editables.redirector import RedirectingFinder as F\nF.install()\n"
           "F.map_module('good', '" +
               lib + "/good/__init__.py')\n"}},
         true},
        {"scikit-build-core",
         {{"_good_editable.pth", "import _good_editable\n"},
          {"_good_editable.py", "def install(a, b, *c): pass\ninstall({'good': '" + lib +
                                    "/good/__init__.py'}, "
                                    "{'good.multi_free': '" +
                                    extension + "', 'good.multi_unmarked': '" + lib +
                                    "/good/multi_unmarked.cpython-313t-x86_64-linux-gnu.so'}, None, False, True)\n"}},
         true},
        {"scikit-build-core, in place",
         {{"_good_editable.pth", lib + "\nimport _good_editable\n"},
          {"_good_editable.py", "def install_inplace(a, b): pass\ninstall_inplace(['good'], ['" + lib + "'])\n"}},
         true},
        {"another",
         {{"good-editable.pth", "import _good_editable_loader\n"},
          {"_good_editable_loader.py", "install('good', {'good'}, '/nowhere', ['ninja'], False)\n"}},
         false},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.tool) {
            const Folder folder;
            const std::string environment = write_environment(folder, row.files);
            const std::string script = folder.write("app.py", "import good.multi_free\n");
            const Json report = plan({environment, script}, {}, 1);
            const Json all = plan({environment}, {}, 1);
            if (row.seen) {
                BOOST_TEST(report.at("modules")[0].at("module") == "good.multi_free");
                BOOST_TEST(report.at("modules")[0].at("file") == extension);
                BOOST_TEST(report.at("missing").empty());
                BOOST_TEST(report.at("unseen").empty());
                BOOST_TEST(contains(all.dump(), "good.multi_unmarked"));
            } else {
                // Nothing is seen, and that is not "nothing turns the GIL on".
                BOOST_TEST(all.at("modules").empty());
                BOOST_TEST(all.at("unseen").size() == 1u);
                CHECK_CONTAINS(all.at("notes")[0].get<std::string>(),
                               "good-editable.pth is an editable install by code");
                CHECK_CONTAINS(call({"plan", "--python", environment}).out,
                               "; what 1 editable install adds is not seen\n");
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_library_that_is_not_there_fails_the_import) {
    const Folder folder;
    const std::string python = write_python(folder), suffix = ".cpython-313t-x86_64-linux-gnu.so";
    const std::string linked = from_environment("INTERLOCK_TEST_LINKED");
    std::filesystem::create_directories(folder / "lib/pkg");
    std::filesystem::copy_file(linked + "/linked_free" + suffix, folder / ("lib/pkg/linked_free" + suffix));
    const Json report = plan({python, folder / "lib"}, {}, 1);
    BOOST_TEST(report.at("modules")[0].at("missing_libraries")[0].at("name") == "libcli_gone.so");
    const Finished words = call({"plan", "--python", python, folder / "lib"});
    CHECK_CONTAINS(words.out, "needs the library 'libcli_gone.so', which the dynamic linker does not find\n");
    CHECK_CONTAINS(words.out, "of 0 it is not known, 1 cannot be loaded\n");
    plan({python, folder / "lib"}, {{"LD_LIBRARY_PATH", linked + "/lib"}}, 0);
    // A package that brings it may load it first.
    std::filesystem::create_directories(folder / "lib/pkg.libs");
    std::filesystem::copy_file(linked + "/lib/libcli_gone.so", folder / "lib/pkg.libs/libcli_gone.so");
    const Json brought = plan({python}, {{"PYTHONPATH", folder / "lib"}}, 0);
    CHECK_CONTAINS(brought.at("notes")[0].get<std::string>(),
                   "pkg.linked_free needs libcli_gone.so, which is only there");
}

BOOST_AUTO_TEST_CASE(what_only_a_run_can_tell_makes_everything_possible) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const std::string script =
        folder.write("app.py", "import importlib, good, sys\nimportlib.import_module(sys.argv[1])\n");
    const Json report = plan({python, script}, {{"PYTHONPATH", packages}}, 1);
    CHECK_SUMMARY(report, {"good.multi_free imported free marker", "bad.multi_used possible global_lock marker",
                           "good.multi_unmarked possible global_lock default"});
    BOOST_REQUIRE(report.at("notes").size() == 1u);
    CHECK_CONTAINS(report.at("notes")[0].get<std::string>(), script + ":2: import_module() imports what only a run");
}

BOOST_AUTO_TEST_CASE(what_a_distribution_requires_is_possible) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    folder.write("lib/good-1.0.dist-info/METADATA",
                 "Metadata-Version: 2.1\nName: good\nVersion: 1.0\n"
                 "Requires-Dist: Bad_One>=1 ; python_version > '3'\n");
    folder.write("lib/good-1.0.dist-info/RECORD", "good/__init__.py,,\n");
    folder.write("lib/bad_one-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bad-one\nVersion: 1.0\n");
    folder.write("lib/bad_one-1.0.dist-info/RECORD", "bad/__init__.py,,\n");
    const std::string script = folder.write("app.py", "import good.multi_free\n");
    CHECK_SUMMARY(plan({python, script}, {{"PYTHONPATH", packages}}, 1),
                  {"good.multi_free imported free marker", "bad.multi_used possible global_lock marker",
                   "good.multi_unmarked possible global_lock default"});
}

BOOST_AUTO_TEST_CASE(path_files_count_and_their_code_does_not_run) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    folder.write("venv/pyvenv.cfg", "home = /nowhere\ninclude-system-site-packages = false\n");
    for (const char* version : {"python3.13", "python3.13t"})
        folder.write("venv/lib/" + std::string(version) + "/site-packages/a.pth",
                     packages + "\n# nothing\nimport sys; open('" + (folder / "ran") + "', 'w')\n");
    const std::string inside = folder / "venv/bin/python";
    std::filesystem::create_directories(folder / "venv/bin");
    // sys.executable is what was started.
    const std::string content = content_of(python);
    const std::size_t place = content.find("sys.version_info =");
    write_program(folder, "venv/bin/python",
                  content.substr(0, place) + "sys.executable = \"" + inside + "\"\n" + content.substr(place));
    const Json report = plan({folder / "venv"}, {}, 1);
    BOOST_TEST(report.at("turn_gil_on").size() == 2u);
    BOOST_REQUIRE(report.at("notes").size() == 1u);
    CHECK_CONTAINS(report.at("notes")[0].get<std::string>(), "a.pth runs code at each start");
    BOOST_TEST(!std::filesystem::exists(folder / "ran"));
}

BOOST_AUTO_TEST_CASE(under_a_policy) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const std::string policy =
        folder.write("policy.json", R"({"rules": [{"match": {"module": "bad.*"}, "threading": "refuse", "reason": "r"}],
                          "default": {"unmarked": "free"}})");
    CHECK_SUMMARY(plan({python, packages, "--policy", policy, "--override", "good.multi_free=global_lock"}, {}, 1),
                  {"bad.multi_used all refuse policy", "good.multi_free all global_lock override",
                   "good.multi_unmarked all free default"});
    CHECK_SUMMARY(plan({python, packages, "--policy", policy, "--override", "bad.multi_used=free"}, {}, 0),
                  {"bad.multi_used all free override", "good.multi_free all free marker",
                   "good.multi_unmarked all free default"});
}

BOOST_AUTO_TEST_CASE(in_words) {
    const Folder folder;
    const std::string python = write_python(folder), packages = write_packages(folder);
    const Finished finished = call({"plan", "--python", python, packages});
    CHECK_STATUS(finished, 1);
    CHECK_CONTAINS(finished.out, "bad.multi_used       global_lock  global_lock  marker      ON\n");
    CHECK_CONTAINS(finished.out, "  decided by  default: a module that says nothing needs the GIL\n");
    CHECK_CONTAINS(finished.out, "Python 3.13t: 3 extension modules: 1 leave the GIL off, 2 would turn it on");
    BOOST_TEST(!contains(finished.out, "good.multi_free"));
    CHECK_CONTAINS(call({"plan", "-v", "--python", python, packages}).out, "good.multi_free");
}

BOOST_AUTO_TEST_CASE(without_free_threading) {
    const Folder folder;
    const Finished finished = call({"plan", "--python", write_python(folder, false), write_packages(folder)});
    CHECK_STATUS(finished, 0);
    CHECK_CONTAINS(finished.out, "is not free-threaded, so markers have no effect there");
}

BOOST_AUTO_TEST_CASE(wrong_use) {
    const Folder folder;
    const std::string python = write_python(folder);
    const std::string lock = folder.write("lock.json", R"({"default": {"unmarked": "module_lock"}})");
    const std::string wrong = folder.write("wrong.py", "import (\n");
    struct Row {
        Words arguments;
        int status;
        const char* message;
    };
    const std::vector<Row> rows = {
        {{"a", "b"}, 2, "takes one script or folder"},
        {{"-X", "gil=0"}, 2, "without -X gil"},
        {{"--override", "a=module_lock"}, 2, "module_lock is for programs that load modules with interlock"},
        {{"--policy", lock}, 4, "module_lock is for programs that load modules with interlock"},
        {{folder / "none.py"}, 3, "none.py: No such file"},
        {{wrong}, 3, "cannot parse "},
    };
    for (const Row& row : rows) {
        Words words{"plan", "--python", python};
        words.insert(words.end(), row.arguments.begin(), row.arguments.end());
        const Finished finished = call(words);
        CHECK_STATUS(finished, row.status);
        CHECK_CONTAINS(finished.err, row.message);
    }
    CHECK_STATUS(call({"plan"}), 2);
    const std::string liar = write_program(folder, "liar", "#!/bin/sh\necho '[]'\n");
    const Finished finished = call({"plan", "--python", liar});
    CHECK_STATUS(finished, 3);
    CHECK_CONTAINS(finished.err, "with an answer that is none");
}

BOOST_AUTO_TEST_SUITE_END()
