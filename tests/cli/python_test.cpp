// python_test.cpp: `interlock python`. The interpreters are scripts that say how they were called.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_python
#include <boost/test/unit_test.hpp>

#include "python_support.hpp"

using namespace interlock::test;

namespace {

/// Answers the question whether it has interlock with `answer`, and else prints its arguments, one a line.
std::string write_recorder(const Folder& folder, const std::string& name = "recorder",
                           const std::string& answer = "echo ok") {
    return write_program(folder, name,
                         "#!/bin/sh\nif [ \"$1\" = -c ]; then " + answer +
                             "; exit; fi\nfor one in \"$@\"; do echo \"$one\"; done\nexit 7\n");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(python)

BOOST_AUTO_TEST_CASE(runs_the_interpreter_with_its_options_and_returns_its_status) {
    const Folder folder;
    const std::string recorder = write_recorder(folder);
    const Finished finished = call(
        {"python",   "--python", recorder,     "-X",     "gil=1",    "-W",     "error", "-W", "ignore:fallback:a.b",
         "--policy", "p.json",   "--override", "a=free", "--report", "r.json", "--",    "-m", "tool",
         "--policy", "its own",  "--"});
    CHECK_STATUS(finished, 7);
    BOOST_TEST(finished.err == "");
    BOOST_TEST(finished.out ==
               "-X\ngil=1\n"
               "-W\nerror:The global interpreter lock (GIL) has been enabled to load module ':RuntimeWarning\n"
               "-W\nignore:The global interpreter lock (GIL) has been enabled to load module 'a.b':RuntimeWarning\n"
               "-m\ninterlock\n--policy\np.json\n--override\na=free\n--report\nr.json\n"
               "-m\ntool\n--policy\nits own\n--\n");
}

BOOST_AUTO_TEST_CASE(finds_the_interpreter) {
    const Folder folder;
    const auto recorder = [&](const std::string& name) {
        return write_recorder(folder, name, "echo ok; exit; fi; echo " + name + "; if false; then :");
    };
    const std::string older = recorder("bin/python3.13t"), own = recorder("venv/bin/python");
    const auto used = [&](const Words& options, Variables environment) {
        Words words{"python"};
        words.insert(words.end(), options.begin(), options.end());
        words.insert(words.end(), {"--", "x"});
        environment.emplace("PATH", (folder / "nowhere") + ":" + (folder / "bin") + ":/bin:/usr/bin");
        const Finished finished = call(words, environment);
        CHECK_STATUS(finished, 7);
        return finished.out.substr(0, finished.out.find('\n'));
    };
    BOOST_TEST(used({}, {}) == "bin/python3.13t");
    BOOST_TEST(used({"--python", "3.13t"}, {}) == "bin/python3.13t");
    BOOST_TEST(used({"--python", "python3.13t"}, {}) == "bin/python3.13t");
    recorder("bin/python3.14t");
    BOOST_TEST(used({}, {}) == "bin/python3.14t");
    BOOST_TEST(used({}, {{"INTERLOCK_PYTHON", older}}) == "bin/python3.13t");
    BOOST_TEST(used({}, {{"INTERLOCK_PYTHON", ""}}) == "bin/python3.14t");
    BOOST_TEST(used({"--python", folder / "venv"}, {{"INTERLOCK_PYTHON", older}}) == "venv/bin/python");
    BOOST_TEST(used({"--python", own}, {}) == "venv/bin/python");
}

BOOST_AUTO_TEST_CASE(says_what_is_wrong_with_the_interpreter) {
    const Folder folder;
    struct Row {
        Words options;
        const char* message;
    };
    const std::string broken = write_recorder(folder, "broken", "echo so it is >&2; exit 5");
    const std::vector<Row> rows = {
        {{}, "there is no free-threaded Python on PATH (looked for python3.15t, python3.14t and python3.13t)"},
        {{"--python", folder / "none"}, "is no program that can be run"},
        {{"--python", "3.13t"}, "--python '3.13t' is neither a file nor a program on PATH"},
        {{"--python", folder.path()}, "is a folder without bin/python"},
        {{"--python", broken}, "ended with status 5"},
        {{"--python", write_recorder(folder, "missing", "echo missing")},
         "cannot import interlock; install it there: "},
        {{"--python", write_recorder(folder, "other", "echo other \"'x.py'\"")}, "installed for another interpreter"},
    };
    for (const Row& row : rows) {
        Words words{"python"};
        words.insert(words.end(), row.options.begin(), row.options.end());
        words.insert(words.end(), {"--", "x"});
        const Finished finished = call(words, {{"PATH", folder / "nowhere"}});
        CHECK_STATUS(finished, 3);
        CHECK_CONTAINS(finished.err, row.message);
        BOOST_TEST(finished.out == "");
    }
}

BOOST_AUTO_TEST_CASE(refuses_options_of_the_loader) {
    const Folder folder;
    const std::string recorder = write_recorder(folder);
    for (const Words& option : {Words{"--path", "x"}, Words{"-j", "2"}, Words{"--switch-deadline", "3"},
                                Words{"--json"}, Words{"-W", "error:policy"}, Words{"-W", "error:fallback:a.*"}}) {
        Words words{"python", "--python", recorder};
        words.insert(words.end(), option.begin(), option.end());
        words.insert(words.end(), {"--", "x"});
        CHECK_STATUS(call(words), 2);
    }
    CHECK_STATUS(call({"python", "--python", recorder}), 2);
}

BOOST_AUTO_TEST_SUITE_END()
