// run_test.cpp: `interlock run`: what the function gets, what comes out, and imports in the middle.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_run
#include <boost/test/unit_test.hpp>

#include "run_support.hpp"

using namespace interlock::test;

BOOST_AUTO_TEST_SUITE(results)

BOOST_AUTO_TEST_CASE(come_in_the_order_of_the_inputs) {
    const Folder folder;
    const auto files = write_numbered(folder, 1500);
    for (const char* threads : {"1", "2", "8"}) {
        const Finished finished = call_with_modules(run("probe.size", {"-q", "-j", threads, folder / "in"}));
        CHECK_STATUS(finished, 0);
        BOOST_TEST(finished.err == "");
        const auto results = results_of(finished);
        BOOST_REQUIRE(results.size() == files.size());
        for (std::size_t i = 0; i < files.size(); ++i) {
            BOOST_REQUIRE(results[i].input == files[i]);
            BOOST_REQUIRE(results[i].result == i);
        }
        const Finished other =
            call_with_modules(run("probe.size", {"-q", "--unordered", "-j", threads, folder / "in"}));
        auto lines = lines_of(other.out);
        std::sort(lines.begin(), lines.end());
        BOOST_TEST(lines == lines_of(finished.out), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(are_the_same_in_every_mode) {
    const Folder folder;
    write_numbered(folder, 300);
    const std::string expected = call_with_modules(run("probe.size", {"-q", "-j1", folder / "in"})).out;
    BOOST_TEST(!expected.empty());
    for (const Words& options : std::vector<Words>{{"-X", "gil=1"},
                                                   {"-X", "gil=0"},
                                                   {"--import", "plain"},
                                                   {"--import-during", "plain"},
                                                   {"--import-after", "1:plain", "--unload-after", "200:plain"},
                                                   {"--override", "probe=global_lock"},
                                                   {"--override", "probe=module_lock"}}) {
        BOOST_TEST_CONTEXT(Json(options).dump()) {
            Words words = run("probe.size", {"-q", "-j4", "-W", "ignore", folder / "in"});
            words.insert(words.end(), options.begin(), options.end());
            const Finished finished = call_with_modules(words);
            CHECK_STATUS(finished, 0);
            BOOST_TEST(finished.out == expected);
        }
    }
    // An unmarked module's own function: everything under the global lock.
    const Finished plain = call_with_modules(run("plain.size", {"-q", "-j4", folder / "in"}));
    CHECK_STATUS(plain, 0);
    BOOST_TEST(plain.out == expected);
    CHECK_CONTAINS(plain.err, "interlock: warning: module 'plain' needs the global lock");
}

BOOST_AUTO_TEST_CASE(forms_of_the_input) {
    const Folder folder;
    const std::string file = folder.write("lines.txt", "one\n\nth\xc3\xa9ree\nlast");
    struct Row {
        Words options;
        Json result;
    };
    const std::vector<Row> rows = {
        {{}, {{"bytes", "b25lCgp0aMOpcmVlCmxhc3Q="}}},
        {{"--input-as", "bytes"}, {{"bytes", "b25lCgp0aMOpcmVlCmxhc3Q="}}},
        {{"--input-as=text"}, "one\n\nth\xc3\xa9ree\nlast"},
        {{"--input-as=lines"}, {"one", "", "th\xc3\xa9ree", "last"}},
        {{"--input-as=path"}, file},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.options).dump()) {
            Words words = run("probe.echo", {"-q", file});
            words.insert(words.end(), row.options.begin(), row.options.end());
            const Finished finished = call_with_modules(words);
            CHECK_STATUS(finished, 0);
            BOOST_TEST(results_of(finished).at(0).result == row.result);
        }
    }
}

BOOST_AUTO_TEST_CASE(text_must_be_utf8) {
    struct Row {
        const char* content;
        int at;  // -1: good
    };
    const std::vector<Row> rows = {
        {"", -1},
        {"ascii", -1},
        {"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", -1},
        {"ab\x80", 2},
        {"\xc0\xaf", 0},
        {"\xc1\xbf", 0},
        {"x\xe0\x9f\xbf", 1},
        {"\xed\xa0\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xe2\x82x", 0},
    };
    const Folder folder;
    for (std::size_t i = 0; i < rows.size(); ++i)
        folder.write("in/" + std::string(1, static_cast<char>('a' + i)), rows[i].content);
    for (const char* form : {"text", "lines"}) {
        const Finished finished = call_with_modules(run("probe.size", {"-q", "--input-as", form, folder / "in"}));
        CHECK_STATUS(finished, 1);
        const auto results = results_of(finished);
        BOOST_REQUIRE(results.size() == rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            BOOST_TEST_CONTEXT("row " << i) {
                if (rows[i].at < 0) {
                    BOOST_TEST(results[i].error.is_null());
                    continue;
                }
                BOOST_TEST(results[i].error.value("code", "") == "invalid_argument");
                BOOST_TEST(results[i].error.value("message", "") == "the content is no UTF-8 text (byte " +
                                                                        std::to_string(rows[i].at) +
                                                                        "); use --input-as bytes");
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_does_not_stop_the_others) {
    const Folder folder;
    const std::string a = folder.write("a", "1"), b = folder.write("b", "bad"), c = folder.write("c", "333");
    const Finished finished = call_with_modules(run("probe.picky", {"-q", a, b, c}));
    CHECK_STATUS(finished, 1);
    const auto results = results_of(finished);
    BOOST_REQUIRE(results.size() == 3u);
    BOOST_TEST(results[0].result == 1);
    BOOST_TEST(results[1].error == Json({{"code", "call_failed"}, {"message", "content is \\x1bbad"}}));
    BOOST_TEST(results[2].result == 3);
    BOOST_TEST(finished.err == "interlock: error: 1 of 3 inputs failed; the first: " + b + ": content is \\x1bbad\n");
}

BOOST_AUTO_TEST_CASE(a_function_that_does_not_exist) {
    const Finished finished = call_with_modules(run("probe.siz", {"/dev/null"}));
    CHECK_STATUS(finished, 1);
    CHECK_CONTAINS(finished.err, "did you mean 'size'?");
    CHECK_STATUS(call_with_modules(run("nothing.size", {"/dev/null"})), 1);
    const Folder folder;
    CHECK_STATUS(call_with_modules(run("pkg.part.size", {"-W", "ignore", folder.path()})), 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(reduce)

BOOST_AUTO_TEST_CASE(folds_in_the_order_of_the_inputs) {
    const Folder folder;
    for (int i = 0; i < 13; ++i)
        folder.write("in/" + std::string(1, static_cast<char>('a' + i)), std::string(12 - i, 'x'));
    for (const Words& options :
         std::vector<Words>{{"-j1"}, {"-j8"}, {"-j8", "-X", "gil=1"}, {"--import-during", "guarded"}}) {
        Words words = run("probe.size", {"-q", "--reduce", "probe.join", folder / "in"});
        words.insert(words.end(), options.begin(), options.end());
        const Finished finished = call_with_modules(words);
        CHECK_STATUS(finished, 0);
        BOOST_TEST(finished.out == "\"12;11;10;9;8;7;6;5;4;3;2;1;0;\"\n");
        BOOST_TEST(finished.err == "");
    }
}

BOOST_AUTO_TEST_CASE(leaves_out_what_failed) {
    const Folder folder;
    const std::string a = folder.write("a", "1"), b = folder.write("b", "bad"), c = folder.write("c", "333");
    const Finished finished =
        call_with_modules(run("probe.picky", {"-q", "--reduce", "probe.join", a, b, folder / "none", c}));
    CHECK_STATUS(finished, 3);
    BOOST_TEST(finished.out == "\"1;3;\"\n");
    BOOST_TEST(finished.err == "interlock: error: " + b + ": content is \\x1bbad\ninterlock: error: " +
                                   (folder / "none") + ": cannot be read: No such file or directory\n");
}

BOOST_AUTO_TEST_CASE(that_fails_gives_no_value) {
    const Folder folder;
    const std::string a = folder.write("a", "1"), b = folder.write("b", std::string(13, 'x'));
    const Finished finished = call_with_modules(run("probe.size", {"-q", "--reduce", "probe.join", a, b, a}));
    CHECK_STATUS(finished, 1);
    BOOST_TEST(finished.out == "");
    BOOST_TEST(lines_of(finished.err).size() == 1u);
    CHECK_CONTAINS(finished.err, "probe.join failed at '" + b + "': ");
    CHECK_CONTAINS(finished.err, "13 brings bad luck");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(events)

BOOST_AUTO_TEST_CASE(an_import_in_the_middle_falls_back_and_an_unload_recovers) {
    const Folder folder;
    write_numbered(folder, 200);
    const Finished finished = call_with_modules(
        run("probe.size", {"--json", "--import-after", "50:plain", "--unload-after", "120:plain", folder / "in"}));
    CHECK_STATUS(finished, 0);
    BOOST_TEST(lines_of(finished.out).size() == 200u);
    CHECK_CONTAINS(finished.err, "interlock: warning: module 'plain' needs the global lock");
    CHECK_CONTAINS(finished.err, "imported by  the command line, after 50 inputs");
    const Json summary = summary_of(finished);
    BOOST_TEST(summary.at("switches_to_locked") == 1);
    BOOST_TEST(summary.at("switches_to_parallel") == 1);
    BOOST_TEST(summary.at("mode") == "parallel");
    BOOST_TEST(summary.at("phases")[0].at("mode") == "parallel");
    BOOST_TEST(summary.at("phases")[0].at("inputs") >= 50);
    int inputs = 0;
    for (const Json& phase : summary.at("phases")) inputs += phase.at("inputs").get<int>();
    BOOST_TEST(inputs == 200);
}

BOOST_AUTO_TEST_CASE(that_fail_make_the_status_1) {
    const Folder folder;
    write_numbered(folder, 4);
    struct Row {
        Words options;
        const char* message;
    };
    for (const Row& row :
         {Row{{"--import-after", "1:broken"}, "its exec function failed"},
          Row{{"--import-after", "0:nothing"}, "no module named 'nothing'"},
          Row{{"--import-during", "plain", "-W", "error"}, "plain"}, Row{{"--unload-after", "2:guarded"}, "guarded"},
          Row{{"--import-after", "5:guarded"}, "module 'guarded' was not imported: the run ended after 4 of 5 inputs"},
          Row{{"--unload-after", "9:probe"}, "module 'probe' was not unloaded: the run ended after 4 of 9 inputs"}}) {
        BOOST_TEST_CONTEXT(row.message) {
            Words words = run("probe.size", {"-q", folder / "in"});
            words.insert(words.end(), row.options.begin(), row.options.end());
            const Finished finished = call_with_modules(words);
            CHECK_STATUS(finished, 1);
            CHECK_CONTAINS(finished.err, row.message);
            BOOST_TEST(lines_of(finished.out).size() == 4u);
        }
    }
}

BOOST_AUTO_TEST_CASE(import_before_the_run_stops_it_when_it_fails) {
    const Finished finished = call_with_modules(run("probe.size", {"--import", "broken", module_folder()}));
    CHECK_STATUS(finished, 1);
    BOOST_TEST(finished.out == "");
    const Finished locked = call_with_modules(run("probe.size", {"--json", "--import", "plain", module_folder()}));
    CHECK_STATUS(locked, 0);
    BOOST_TEST(summary_of(locked).at("phases")[0].at("mode") == "locked");
}

BOOST_AUTO_TEST_CASE(an_unloaded_function_is_an_error_not_a_crash) {
    const Folder folder;
    write_numbered(folder, 50);
    const Finished finished = call_with_modules(run("probe.size", {"-q", "--unload-after", "0:probe", folder / "in"}));
    BOOST_TEST((finished.status == 0 || finished.status == 1));
    for (const Line& line : results_of(finished))
        if (line.result.is_null()) CHECK_CONTAINS(line.error.value("message", ""), "unloaded");
}

BOOST_AUTO_TEST_SUITE_END()
