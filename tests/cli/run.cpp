// run.cpp: `interlock run`: which inputs, in which form, what comes out, and what happens on the way.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_run
#include <boost/test/unit_test.hpp>

#include "support.hpp"

using namespace interlock::test;

namespace {

Words run(const std::string& function, const Words& more) {
    Words words = {"run", function};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/// {"input": name} -> result, from JSON lines.
struct Line {
    std::string input;
    Json result, error;
};
std::vector<Line> results_of(const Finished& finished) {
    std::vector<Line> results;
    for (const std::string& line : lines_of(finished.out)) {
        const Json json = Json::parse(line);
        BOOST_REQUIRE(json.size() == 2u);
        BOOST_REQUIRE(json.contains("result") != json.contains("error"));
        results.push_back({json.at("input"), json.value("result", Json()), json.value("error", Json())});
    }
    return results;
}

std::vector<std::string> inputs_of(const Finished& finished) {
    std::vector<std::string> inputs;
    for (const Line& line : results_of(finished)) inputs.push_back(line.input);
    return inputs;
}

/// 0.txt ... with as many bytes as the number says; the names sort as the numbers do.
std::vector<std::string> write_numbered(const Folder& folder, std::size_t count) {
    std::vector<std::string> files;
    for (std::size_t i = 0; i < count; ++i) {
        std::string name = std::to_string(i);
        name.insert(0, 4 - name.size(), '0');
        files.push_back(folder.write("in/" + name, std::string(i, 'x')));
    }
    return files;
}

Json summary_of(const Finished& finished) {
    const auto lines = lines_of(finished.err);
    const auto found = std::find_if(lines.begin(), lines.end(),
                                    [](const std::string& line) { return line.starts_with("{\"summary\":"); });
    BOOST_REQUIRE_MESSAGE(found != lines.end(), finished.err);
    return Json::parse(*found).at("summary");
}

}  // namespace

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
    CHECK_CONTAINS(plain.err, "RuntimeWarning: ");
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

BOOST_AUTO_TEST_SUITE(inputs)

BOOST_AUTO_TEST_CASE(folders_are_searched_in_order) {
    const Folder folder;
    folder.write("in/b.txt", "");
    folder.write("in/a/2", "");
    folder.write("in/a/1", "");
    folder.write("in/a.txt", "");
    folder.write("in/.hidden", "");
    folder.write("in/c/deep/er/x", "");
    folder.write("elsewhere/y", "");
    std::filesystem::create_directory_symlink("..", folder / "in/c/loop");
    std::filesystem::create_directory_symlink(folder / "elsewhere", folder / "in/elsewhere");
    std::filesystem::create_symlink(folder / "in/b.txt", folder / "in/z");
    std::filesystem::create_symlink("self", folder / "in/self");
    ::mkfifo((folder / "in/pipe").c_str(), 0600);

    const Finished finished = call_with_modules(run("probe.size", {"-q", folder / "in"}));
    CHECK_STATUS(finished, 0);
    const std::vector<std::string> expected = {folder / "in/.hidden", folder / "in/a/1",   folder / "in/a/2",
                                               folder / "in/a.txt",   folder / "in/b.txt", folder / "in/c/deep/er/x"};
    BOOST_TEST(inputs_of(finished) == expected, boost::test_tools::per_element());

    // What is named is followed.
    const Finished named = call_with_modules(run("probe.size", {"-q", folder / "in/elsewhere", folder / "in/z"}));
    CHECK_STATUS(named, 0);
    const std::vector<std::string> followed = {folder / "in/elsewhere/y", folder / "in/z"};
    BOOST_TEST(inputs_of(named) == followed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(unreadable_ones_are_reported_and_the_rest_goes_on) {
    const Folder folder;
    const std::string good = folder.write("good", "bad");
    ::mkfifo((folder / "pipe").c_str(), 0600);
    std::filesystem::create_symlink("self", folder / "self");
    const Words all = {good, folder / "none", folder / "pipe", folder / "self", good + "/x", "/dev/null", "", good};
    Words words = run("probe.size", all);
    words.push_back("-q");
    const Finished finished = call_with_modules(words);
    CHECK_STATUS(finished, 3);
    const auto results = results_of(finished);
    BOOST_REQUIRE(results.size() == all.size());
    const std::vector<std::string> codes = {"",          "not_found",  "unreadable", "unreadable",
                                            "not_found", "unreadable", "not_found",  ""};
    for (std::size_t i = 0; i < all.size(); ++i) {
        BOOST_TEST_CONTEXT(all[i]) {
            BOOST_TEST(results[i].input == all[i]);
            if (codes[i].empty())
                BOOST_TEST(results[i].result == 3);
            else
                BOOST_TEST(results[i].error.value("code", "") == codes[i]);
        }
    }
    BOOST_TEST(results[2].error.value("message", "") == "cannot be read: it is no regular file");
    BOOST_TEST(finished.err == "interlock: error: 6 of 8 inputs failed; the first: " + (folder / "none") +
                                   ": cannot be read: No such file or directory\n");
    // Unreadable counts more than failed.
    CHECK_STATUS(call_with_modules(run("probe.picky", {"-q", good, folder / "none"})), 3);
}

BOOST_AUTO_TEST_CASE(a_folder_without_permission,
                     *boost::unit_test::precondition([](auto) { return ::geteuid() != 0; })) {
    const Folder folder;
    folder.write("in/a", "");
    folder.write("in/locked/x", "");
    folder.write("in/z", "");
    std::filesystem::permissions(folder / "in/locked", std::filesystem::perms::none);
    const Finished finished = call_with_modules(run("probe.size", {"-q", folder / "in"}));
    std::filesystem::permissions(folder / "in/locked", std::filesystem::perms::owner_all);
    CHECK_STATUS(finished, 3);
    const auto results = results_of(finished);
    BOOST_REQUIRE(results.size() == 3u);
    BOOST_TEST(results[1].error.value("message", "") == "cannot be read: Permission denied");
}

BOOST_AUTO_TEST_CASE(strange_names) {
    const Folder folder;
    const std::vector<std::string> names = {"new\nline", "quo\"te\\", "\033[31mred", "-dash",
                                            "[a,b]",     "{}",        "++",          "caf\xe9"};
    for (const std::string& name : names) folder.write("in/" + name, "x");
    for (const std::string& name : names) {
        BOOST_TEST_CONTEXT(name) {
            const Finished finished = call_with_modules(run("probe.size", {"-q", folder / ("in/" + name)}));
            CHECK_STATUS(finished, 0);
            BOOST_TEST(lines_of(finished.out).size() == 1u);
            const std::string shown = name == "caf\xe9" ? "caf\xef\xbf\xbd" : name;
            BOOST_TEST(results_of(finished).at(0).input == folder / ("in/" + shown));
        }
    }
    const Finished all = call_with_modules(run("probe.size", {"-q", folder / "in"}));
    BOOST_TEST(results_of(all).size() == names.size());
    // Relative ones, which the parser of the command line sees as they are.
    Words words = run("probe.echo", {"-q", "--input-as=path", "--", "[a,b]", "-dash", "++", "--", "{}"});
    const Finished relative = call_with_modules(words);
    const std::vector<std::string> expected = {"[a,b]", "-dash", "++", "--", "{}"};
    BOOST_TEST(inputs_of(relative) == expected, boost::test_tools::per_element());
    // A name that is a verb's.
    BOOST_TEST(inputs_of(call_with_modules(run("probe.size", {"plan", "import"}))).size() == 2u);
}

BOOST_AUTO_TEST_CASE(names_on_stdin) {
    const Folder folder;
    const std::string a = folder.write("in/a", "1"), b = folder.write("in/b", "22"),
                      n = folder.write("new\nline", "333");
    struct Row {
        std::string input;
        Words options;
        std::vector<std::string> inputs;
    };
    const std::vector<Row> rows = {
        {"", {}, {}},
        {"\n\n", {}, {}},
        {a + "\n" + b + "\n", {}, {a, b}},
        {b + "\n\n" + a, {}, {b, a}},
        {(folder / "in") + "\n" + a + "\n", {}, {a, b, a}},
        {n + '\0' + a + '\0', {"-0"}, {n, a}},
        {n + '\0' + a, {"--null"}, {n, a}},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.input) {
            Words words = run("probe.size", {"-q", "-"});
            words.insert(words.end(), row.options.begin(), row.options.end());
            Command from_stdin = command(words, {{"INTERLOCK_PATH", module_folder()}});
            from_stdin.input = row.input;
            const Finished finished = run_process(from_stdin);
            CHECK_STATUS(finished, 0);
            BOOST_TEST(inputs_of(finished) == row.inputs, boost::test_tools::per_element());
        }
    }
    Command missing = command(run("probe.size", {"-"}), {{"INTERLOCK_PATH", module_folder()}});
    missing.input = "/none\n";
    CHECK_STATUS(run_process(missing), 3);
    Command binary = command(run("probe.size", {"-"}), {{"INTERLOCK_PATH", module_folder()}});
    binary.input = std::string(200000, 'x');
    const Finished finished = run_process(binary);
    CHECK_STATUS(finished, 3);
    CHECK_CONTAINS(finished.err, "without a separator; is it a list of names?");
}

BOOST_AUTO_TEST_CASE(stdin_is_worked_on_while_it_comes) {
    const Folder folder;
    const std::string a = folder.write("a", "1");
    Command listening = command(run("probe.size", {"-q", "-"}), {{"INTERLOCK_PATH", module_folder()}});
    listening.input = a + "\n";
    Process process(listening);
    process.read_until("\n");  // would hang if the result waited for the end of stdin
    const Finished finished = process.finish();
    CHECK_STATUS(finished, 0);
    BOOST_TEST(inputs_of(finished).size() == 1u);
}

BOOST_AUTO_TEST_CASE(no_inputs_at_all) {
    const Folder folder;
    const Finished finished = call_with_modules(run("probe.size", {"-q", folder.path()}));
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == "");
    BOOST_TEST(call_with_modules(run("probe.size", {"-q", "--reduce", "probe.join", folder.path()})).out == "null\n");
}

BOOST_AUTO_TEST_CASE(large_files) {
    const Folder folder;
    const std::string file = folder.write("large", std::string(20'000'000, 'x'));
    const Finished finished = call_with_modules(run("probe.size", {"-q", file, "/proc/self/stat", file}));
    CHECK_STATUS(finished, 0);
    const auto results = results_of(finished);
    BOOST_TEST(results.at(0).result == 20'000'000);
    BOOST_TEST(results.at(1).result > 20);  // the file system says that it is empty
    BOOST_TEST(results.at(2).result == 20'000'000);
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
    CHECK_CONTAINS(finished.err,
                   "RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module 'plain'");
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

BOOST_AUTO_TEST_SUITE(streams)

BOOST_AUTO_TEST_CASE(the_summary) {
    const Folder folder;
    folder.write("in/a", std::string(1500, 'x'));
    folder.write("in/b", "bad");
    const Finished finished = call_with_modules(run("probe.picky", {"-j3", folder / "in", folder / "none"}));
    CHECK_STATUS(finished, 3);
    const auto lines = lines_of(finished.err);
    BOOST_REQUIRE(lines.size() == 5u);
    BOOST_TEST(lines[1].starts_with("interlock: 3 inputs, 1.5 kB in "));
    BOOST_TEST(lines[1].ends_with(" on 3 threads; 1 ok, 1 failed, 1 unreadable"));
    BOOST_TEST(lines[2].starts_with("  mode      inputs  size    time"));
    BOOST_TEST(lines[3].starts_with("  parallel  3       1.5 kB  "));
    BOOST_TEST(lines[4] == "  switched to locked 0x, to parallel 0x; parallel now");

    const Json summary = summary_of(call_with_modules(run("probe.picky", {"-j3", "--json", folder / "in"})));
    BOOST_TEST(summary.at("schema_version") == 1);
    BOOST_TEST(summary.at("inputs") == 2);
    BOOST_TEST(summary.at("ok") == 1);
    BOOST_TEST(summary.at("failed") == 1);
    BOOST_TEST(summary.at("unreadable") == 0);
    BOOST_TEST(summary.at("threads") == 3);
    BOOST_TEST(summary.at("phases")[0].at("bytes") == 1503);
}

BOOST_AUTO_TEST_CASE(progress_on_terminals_only) {
    const Folder folder;
    write_numbered(folder, 20);
    struct Row {
        Words options;
        Variables environment;
        Stream err;
        bool shown;
    };
    for (const Row& row :
         {Row{{}, {}, Stream::terminal, true}, Row{{}, {{"TERM", "xterm"}}, Stream::terminal, true},
          Row{{}, {{"NO_COLOR", "1"}}, Stream::terminal, true}, Row{{}, {}, Stream::pipe, false},
          Row{{"-q"}, {}, Stream::terminal, false}, Row{{"--no-progress"}, {}, Stream::terminal, false},
          Row{{}, {{"TERM", "dumb"}}, Stream::terminal, false}}) {
        BOOST_TEST_CONTEXT(Json(row.options).dump() << Json(row.environment).dump()) {
            Words words = run("probe.size", {folder / "in"});
            words.insert(words.end(), row.options.begin(), row.options.end());
            Variables environment = row.environment;
            environment["INTERLOCK_PATH"] = module_folder();
            Command on_terminal = command(words, environment);
            on_terminal.err = row.err;
            const Finished finished = run_process(on_terminal);
            CHECK_STATUS(finished, 0);
            BOOST_TEST(!contains(finished.out, "\033"));
            const std::size_t bar = finished.err.find("\r\033[K[");
            BOOST_TEST((bar != std::string::npos) == row.shown);
            if (!row.shown) {
                BOOST_TEST(!contains(finished.err, "\r\033[K"));
                continue;
            }
            CHECK_CONTAINS(finished.err, "/20  ");
            CHECK_CONTAINS(finished.err, "/s  parallel");
            // Erased before the summary, which is the last thing.
            const std::size_t erased = finished.err.rfind("\r\033[K");
            BOOST_TEST(finished.err.substr(erased + 4).starts_with("interlock: 20 inputs"));
        }
    }
}

BOOST_AUTO_TEST_CASE(warnings_stand_above_the_progress_bar) {
    const Folder folder;
    write_numbered(folder, 50);
    Command on_terminal =
        command(run("probe.size", {"--import-after", "1:plain", folder / "in"}), {{"INTERLOCK_PATH", module_folder()}});
    on_terminal.err = Stream::terminal;
    const Finished finished = run_process(on_terminal);
    CHECK_STATUS(finished, 0);
    CHECK_CONTAINS(finished.err, "\r\033[K\033[1;33mRuntimeWarning:\033[0m The global interpreter lock");
}

BOOST_AUTO_TEST_CASE(a_reader_that_goes_away_ends_it_quietly) {
    const Folder folder;
    write_numbered(folder, 500);
    Command unread = command(run("probe.size", {folder / "in"}), {{"INTERLOCK_PATH", module_folder()}});
    unread.out = Stream::broken_pipe;
    const Finished finished = run_process(unread);
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.err == "");
    unread.out = Stream::full;
    const Finished full = run_process(unread);
    CHECK_STATUS(full, 3);
    CHECK_CONTAINS(full.err, "No space left on device");
}

BOOST_AUTO_TEST_CASE(logs_of_modules) {
    struct Row {
        Words options;
        std::vector<std::string> lines;
    };
    const std::string imported =
        "# imported module 'probe' from '" + module_folder() + "/probe.so': free by marker, now parallel";
    const std::vector<Row> rows = {
        {{}, {"probe: warning: careful\\n"}},
        {{"-v"}, {imported, "probe: info: some news", "probe: warning: careful\\n"}},
        {{"-vv"}, {imported, "probe: debug: a detail", "probe: info: some news", "probe: warning: careful\\n"}},
    };
    const Folder folder;
    const std::string file = folder.write("file", "");
    for (const Row& row : rows) {
        Words words = run("probe.talk", {"-q", file});
        words.insert(words.end(), row.options.begin(), row.options.end());
        const Finished finished = call_with_modules(words);
        CHECK_STATUS(finished, 0);
        auto lines = lines_of(finished.err);
        BOOST_REQUIRE(!lines.empty());
        // The module's warning comes last, maybe with details.
        const auto warning = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
            return line.starts_with("interlock: warning: ") && contains(line, "the probe warns");
        });
        BOOST_TEST((warning != lines.end()));
        lines.erase(warning, lines.end());
        BOOST_TEST(lines == row.lines, boost::test_tools::per_element());
    }
    const Finished error = call_with_modules(run("probe.talk", {"-q", "-W", "error:module", file}));
    CHECK_STATUS(error, 1);
    CHECK_STATUS(call_with_modules(run("probe.talk", {"-q", "-W", "error:module:other", file})), 0);
}

BOOST_AUTO_TEST_CASE(a_signal_stops_it_in_good_order) {
    const Folder folder;
    const std::string a = folder.write("a", "1");
    struct Row {
        int number, status;
    };
    for (const Row& row : {Row{SIGINT, 130}, Row{SIGTERM, 143}}) {
        Command endless = command(run("probe.size", {"-", "--report", folder / "report.json"}),
                                  {{"INTERLOCK_PATH", module_folder()}});
        endless.input = a + "\n" + a + "\n";
        Process process(endless);
        process.read_until("}\n{");  // it runs, and waits for more names
        process.kill(row.number);
        const Finished finished = process.finish(false);
        CHECK_STATUS(finished, row.status);
        BOOST_TEST(inputs_of(finished).size() == 2u);
        CHECK_CONTAINS(finished.err, "stopped by a signal");
        CHECK_CONTAINS(finished.err, "2 inputs");
        BOOST_TEST(Json::parse(content_of(folder / "report.json")).at("modules")[0].at("calls").at("none") == 2);
    }
}

BOOST_AUTO_TEST_SUITE_END()
