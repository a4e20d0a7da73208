// run_streams_test.cpp: `interlock run`: which inputs there are, and what stdin, stdout, stderr and signals do.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_run_streams
#include <boost/test/unit_test.hpp>

#include "run_support.hpp"

using namespace interlock::test;

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

    // One thread does all of it, so the input that cannot be read comes after one that was.
    const Json alone =
        summary_of(call_with_modules(run("probe.size", {"-j1", "--json", folder / "in", folder / "none"})));
    BOOST_TEST(alone.at("unreadable") == 1);
    BOOST_TEST(alone.at("phases")[0].at("bytes") == 1503);

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
    CHECK_CONTAINS(finished.err, "\r\033[Kinterlock: \033[1;33mwarning:\033[0m module 'plain' needs the global lock");
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
    const std::string importing = "# importing module 'probe'";
    const std::vector<Row> rows = {
        {{}, {"probe: warning: careful\\n"}},
        {{"-v"}, {importing, imported, "probe: info: some news", "probe: warning: careful\\n"}},
        {{"-vv"},
         {importing, imported, "probe: debug: a detail", "probe: info: some news", "probe: warning: careful\\n"}},
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
        CHECK_CONTAINS(finished.err, "interlock: stopped by a signal after 2 inputs\n");
        CHECK_CONTAINS(finished.err, "2 inputs");
        BOOST_TEST(Json::parse(content_of(folder / "report.json")).at("modules")[0].at("calls").at("none") == 2);
    }
}

BOOST_AUTO_TEST_SUITE_END()
