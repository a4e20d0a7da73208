// endings_test.cpp: modules that end the process, crash it, or do not return: the exit status says so, and stderr and
// the report say who it was.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_endings
#include <boost/test/unit_test.hpp>

#include <cstdlib>

#include "run_support.hpp"

using namespace interlock::test;

namespace {

Finished call_rude(const Words& words, const std::string& in, const std::string& does) {
    return call_with_modules(words, {{"RUDE_IN", in}, {"RUDE_DOES", does}});
}

struct Place {
    std::string in, in_words;
};
const std::vector<Place> places = {{"constructor", "while module 'rude' was mapped, which runs its constructors"},
                                   {"exec", "in the exec function of module 'rude'"},
                                   {"function", "in function 'go' of module 'rude'"},
                                   {"teardown", "in the teardown function of module 'rude'"}};

}  // namespace

BOOST_AUTO_TEST_CASE(a_module_that_ends_the_process_is_named_and_the_status_is_5) {
    struct Row {
        std::string does, in_words;
    };
    for (const Row& row : {Row{"exit", "exit(0) was called "}, Row{"exit with 3", "exit(3) was called "},
                           Row{"quick_exit", "quick_exit() was called "}, Row{"_exit", "_exit(0) was called "},
                           Row{"_Exit", "_exit(0) was called "}}) {
        for (const Place& place : places) {
            BOOST_TEST_CONTEXT(row.does << " in " << place.in) {
                const Finished finished = call_rude({"call", "rude.go"}, place.in, row.does);
                CHECK_STATUS(finished, 5);
                CHECK_CONTAINS(finished.err, "interlock: error: " + row.in_words + place.in_words);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(each_verb_that_runs_modules_says_whom_it_was_calling) {
    const Folder folder;
    const std::string a = folder.write("a", "1");
    const Finished imported = call_rude({"import", "probe", "rude"}, "exec", "exit");
    CHECK_STATUS(imported, 5);
    CHECK_CONTAINS(imported.err, "exit(0) was called in the exec function of module 'rude'; ");

    const Finished mapped = call_rude(run("rude.go", {"-q", a}), "function", "exit");
    CHECK_STATUS(mapped, 5);
    CHECK_CONTAINS(mapped.err, "exit(0) was called in function 'go' of module 'rude', for input '" + a + "'; ");

    const Finished folded = call_rude(run("probe.size", {"-q", "--reduce", "rude.go", a}), "function", "exit");
    CHECK_STATUS(folded, 5);
    CHECK_CONTAINS(folded.err, "in function 'go' of module 'rude', for input '" + a + "'; ");

    const Finished later = call_rude(run("probe.size", {"-q", "--import-after", "1:rude", a}), "constructor", "exit");
    CHECK_STATUS(later, 5);
    CHECK_CONTAINS(later.err, "while module 'rude' was mapped, which runs its constructors; ");

    const Finished unloaded =
        call_rude(run("probe.size", {"-q", "--import", "rude", "--unload-after", "1:rude", a}), "teardown", "exit");
    CHECK_STATUS(unloaded, 5);
    CHECK_CONTAINS(unloaded.err, "in the teardown function of module 'rude', during the unloading of module 'rude'; ");
}

BOOST_AUTO_TEST_CASE(another_thread_of_a_module_is_not_taken_for_a_call) {
    const Finished finished = call_rude({"call", "rude.go"}, "function", "exit in a thread");
    CHECK_STATUS(finished, 5);
    CHECK_CONTAINS(finished.err,
                   "exit(0) was called in a thread that is in no call of the command; under way: the call "
                   "of 'go' of module 'rude'; ");
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_ends_the_command) {
    const Folder folder;
    const std::string a = folder.write("a", "1");
    for (const Words& words : {Words{"call", "rude.go"}, run("rude.go", {"-q", "-j2", a, a, a})}) {
        const Finished finished = call_rude(words, "function", "pthread_exit");
        CHECK_STATUS(finished, 5);
        CHECK_CONTAINS(finished.err, "pthread_exit() ended a thread of the command ");
        CHECK_CONTAINS(finished.err, "'go' of module 'rude'");
    }
}

#ifndef INTERLOCK_SANITIZED  // they have handlers, and statuses, of their own
BOOST_AUTO_TEST_CASE(a_module_that_crashes_is_named_and_the_status_is_what_it_would_have_been) {
    struct Row {
        std::string does;
        int number;
        std::string in_words;
    };
    for (const Row& row : {Row{"crash", SIGSEGV, "SIGSEGV (invalid memory access) "},
                           Row{"kill", SIGSEGV, "SIGSEGV (invalid memory access) "},
                           Row{"overflow", SIGSEGV, "SIGSEGV (invalid memory access) "},
                           Row{"abort", SIGABRT, "SIGABRT (abort) "}, Row{"trap", SIGTRAP, "SIGTRAP (trap) "}}) {
        for (const Place& place : places) {
            BOOST_TEST_CONTEXT(row.does << " in " << place.in) {
                const Finished finished = call_rude({"call", "rude.go"}, place.in, row.does);
                CHECK_STATUS(finished, 128 + row.number);
                CHECK_CONTAINS(finished.err, "interlock: error: " + row.in_words + place.in_words);
            }
        }
    }
    const Folder folder;
    const std::string a = folder.write("a\n", "1");
    const Finished finished = call_rude(run("rude.go", {"-q", "-j4", a, a, a, a}), "function", "overflow");
    CHECK_STATUS(finished, 128 + SIGSEGV);
    CHECK_CONTAINS(finished.err, "in function 'go' of module 'rude', for input '" + folder / "a\\x0a" + "'; ");
}
#endif

BOOST_AUTO_TEST_CASE(a_module_that_hangs_is_named_and_ended_by_the_timeout) {
    for (const Place& place : places) {
        BOOST_TEST_CONTEXT(place.in) {
            const Finished finished = call_rude({"call", "--timeout", "0.05", "rude.go"}, place.in, "hang");
            CHECK_STATUS(finished, 6);
            CHECK_CONTAINS(finished.err,
                           "interlock: error: a call took longer than the 0.05 s of --timeout, " + place.in_words);
        }
    }
    const Folder folder;
    const std::string a = folder.write("a", "1");
    const Finished mapped = call_rude(run("rude.go", {"-q", "--timeout", "0.05", a}), "function", "hang");
    CHECK_STATUS(mapped, 6);
    CHECK_CONTAINS(mapped.err, "in function 'go' of module 'rude', for input '" + a + "'; ");
    CHECK_STATUS(call_rude({"import", "--timeout=0.05", "rude"}, "exec", "hang"), 6);
    for (const char* wrong : {"0", "-1", "nan", "1s", "1e9", "inf"}) {
        const Finished refused = call_with_modules({"import", "--timeout", wrong, "probe"});
        CHECK_STATUS(refused, 2);
        CHECK_CONTAINS(refused.err, "--timeout takes seconds, from 0.001 to ");
    }
}

BOOST_AUTO_TEST_CASE(a_call_that_takes_long_is_named_while_it_lasts) {
    Command waiting = command({"call", "rude.wait_for_input"}, {{"INTERLOCK_PATH", module_folder()}});
    waiting.input = "";
    Process process(waiting);
    process.read_errors_until("in function 'wait_for_input' of module 'rude'; the command waits.");
    const Finished finished = process.finish();
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == "0\n");
    CHECK_CONTAINS(finished.err, "a call has not returned for 5 s, in function 'wait_for_input' of module 'rude'");
}

BOOST_AUTO_TEST_CASE(the_report_says_what_is_unfinished) {
    const Folder folder;
    const std::string report = folder / "report.json";
    const auto unfinished_after = [&](const Words& words, const std::string& in, const std::string& does) {
        Words all = words;
        all.insert(all.end(), {"--report", report});
        BOOST_TEST(call_rude(all, in, does).status != 0);
        return Json::parse(content_of(report));
    };
    for (const char* does : {"exit", "_exit", "kill"}) {
        const Json imported = unfinished_after({"import", "probe", "rude"}, "constructor", does);
        BOOST_TEST(imported.at("unfinished") ==
                   Json::parse(R"([{"what": "import", "module": "rude", "function": null}])"));
        BOOST_REQUIRE(!imported.at("modules").empty());
        BOOST_TEST(imported.at("modules")[0].at("module") == "probe");
        const Json called = unfinished_after({"call", "rude.go"}, "function", does);
        BOOST_TEST(called.at("unfinished") == Json::parse(R"([{"what": "call", "module": "rude", "function": "go"}])"));
        BOOST_TEST(called.at("modules")[0].at("module") == "rude");
    }
    CHECK_STATUS(call_with_modules({"import", "rude", "--report", report}), 0);
    const Json finished = Json::parse(content_of(report));
    BOOST_TEST(!finished.contains("unfinished"));
    // It is written once where it would not be replaced.
    const Finished piped = call_with_modules({"import", "-q", "rude", "--report", "/dev/stderr"});
    CHECK_STATUS(piped, 0);
    BOOST_TEST(Json::parse(piped.err).at("modules").size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_child_of_a_module_may_end_as_it_likes) {
    // A child that calls exit() looks for leaks. LeakSanitizer then counts threads that only the parent has, and warns
    // if one of them was running.
    const char* given = std::getenv("ASAN_OPTIONS");
    const std::string options = std::string(given != nullptr ? given : "") + ":detect_leaks=0";
    for (Variables variables : {Variables{}, Variables{{"RUDE_CHILD", "1"}}}) {
        variables.insert({"ASAN_OPTIONS", options});
        const Finished finished = call_with_modules({"call", "rude.fork_and_wait"}, variables);
        CHECK_STATUS(finished, 0);
        BOOST_TEST(finished.out == "7\n");
        BOOST_TEST(finished.err == "");
    }
}
