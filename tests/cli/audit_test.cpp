// audit_test.cpp: `interlock audit` and `interlock inspect` on real extension modules; formats have tests of their own.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_audit
#include <boost/test/unit_test.hpp>

#include <interlock/audit.hpp>

#include "support.hpp"

using namespace interlock::test;

namespace {

constexpr std::string_view ending = ".cpython-313t-x86_64-linux-gnu.so";

std::string extension(std::string_view name) {
    return from_environment("INTERLOCK_TEST_EXTENSIONS") + "/" + std::string(name) + std::string(ending);
}

/// Copies of extension modules in a folder of their own.
std::string copy_extension(const Folder& folder, std::string_view name, std::string_view below = "m") {
    const std::string content = content_of(extension(name));
    BOOST_REQUIRE(!content.empty());
    return folder.write(std::string(below) + "/" + std::string(name) + std::string(ending), content);
}

Finished call_in(const Words& words, std::string input) {
    Command command = interlock::test::command(words);
    command.input = std::move(input);
    return run_process(command);
}

Json json_of(Words words) {
    words.insert(words.begin(), {"audit", "--format", "json"});
    return Json::parse(call(words).out);
}

std::vector<std::string> rules_in(const Json& report) {
    std::vector<std::string> rules;
    for (const Json& finding : report.at("findings")) {
        if (finding.at("accepted").is_null()) rules.push_back(finding.at("rule"));
    }
    return rules;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(audit)

BOOST_AUTO_TEST_CASE(the_exit_status_says_what_was_found) {
    CHECK_STATUS(call({"audit", extension("multi_free")}), 0);
    CHECK_STATUS(call({"audit", extension("multi_used")}), 1);
    CHECK_STATUS(call({"audit", extension("multi_unmarked")}), 1);
    CHECK_STATUS(call({"audit", extension("multi_free"), extension("multi_used")}), 1);
    CHECK_STATUS(call({"audit", extension("delegated_cffi")}), 0);
    CHECK_STATUS(call({"audit", "--strict", extension("delegated_cffi")}), 1);
    CHECK_STATUS(call({"audit", "--fail-on", "warning", extension("delegated_cffi")}), 1);
    CHECK_STATUS(call({"audit", "--fail-on", "IL001", extension("multi_used")}), 0);
    CHECK_STATUS(call({"audit", "--fail-on", "IL001", "--fail-on", "gil-used", extension("multi_used")}), 1);
    CHECK_STATUS(call({"audit", "--fail-on", "never", extension("multi_used")}), 0);
    CHECK_STATUS(call({"audit", "--ignore", "gil-used", extension("multi_used")}), 0);
    CHECK_STATUS(call({"audit", "--ignore", "gil-used:other*", extension("multi_used")}), 1);
    CHECK_STATUS(call({"audit", "/nonexistent/x.so"}), 3);
    CHECK_STATUS(call({"audit", extension("multi_free"), "/nonexistent/x.so"}), 3);
}

// Nobody reads "cannot load" in a log that ends well.
BOOST_AUTO_TEST_CASE(an_interpreter_that_was_asked_for_must_load_something) {
    const std::string file = extension("multi_free");
    CHECK_STATUS(call({"audit", "--strict", file}), 0);
    CHECK_STATUS(call({"audit", "--strict", "--python", "3.13t", file}), 0);
    CHECK_STATUS(call({"audit", "--python", "3.14t", file}), 0);
    const Finished strict = call({"audit", "--strict", "--python", "3.14t", file});
    CHECK_STATUS(strict, 1);
    CHECK_CONTAINS(strict.out,
                   "can be loaded by 3.14t, which was asked for; module 'multi_free': the file is for 3.13t");
    CHECK_STATUS(call({"audit", "--strict", "--python", "3.13t", "--python", "3.14t", file}), 0);
}

BOOST_AUTO_TEST_CASE(a_wrong_command_line_ends_before_anything_is_read) {
    struct Row {
        Words words;
        const char* message;
    };
    const std::vector<Row> rows = {
        {{}, "takes PATH..., but nothing was given"},
        {{"--format", "xml", "x"}, "--format takes one of table|json"},
        {{"--fail-on", "warnings", "x"}, "did you mean 'warning'?"},
        {{"--ignore", "IL0001", "x"}, "did you mean 'IL001'?"},
        {{"--python", "3.12", "x"}, "the first is 3.13t"},
        {{"--output", "report.xml", "x"}, "--output takes FORMAT=FILE"},
        {{"--output", "sarif=", "x"}, "--output"},
        {{"-", "-"}, "'-' is given twice"},
        {{"-0", "x"}, "give '-' as well"},
        {{"-o", "-", "x"}, "--output writes a file; --format chooses what is printed"},
        {{"-o", "json=-", "x"}, "--output writes a file; --format chooses what is printed"},
        {{"--write-baseline", "-", "x"}, "--write-baseline writes a file"},
        {{"-o", "r.json", "-o", "sarif=./r.json", "x"}, "'r.json' is given for two outputs"},
        {{"-o", "r.json", "--write-baseline", "r.json", "x"}, "'r.json' is given for two outputs"},
        {{"--override", "m=free", "x"}, "--override is about what the loader does"},
        {{"--report", "r.json", "x"}, "--report is about what the loader does"},
    };
    for (const Row& row : rows) {
        Words words = row.words;
        words.insert(words.begin(), "audit");
        const Finished finished = call(words);
        CHECK_STATUS(finished, 2);
        CHECK_CONTAINS(finished.err, row.message);
        BOOST_TEST(finished.out == "");
    }
}

BOOST_AUTO_TEST_CASE(prints_verdicts) {
    const Folder folder;
    copy_extension(folder, "multi_free");
    copy_extension(folder, "multi_unmarked");
    const Finished table = call({"audit", folder / "m"});
    CHECK_CONTAINS(table.out, "GIL 3.13t");
    CHECK_CONTAINS(table.out, "error IL001 multi_unmarked" + std::string(ending) + ": module 'multi_unmarked'");
    CHECK_CONTAINS(table.out, "2 modules in 1 package: 1 free, 1 unmarked");
    BOOST_TEST(table.err == "");
    BOOST_TEST(!contains(call({"audit", "-q", folder / "m"}).out, "2 modules in"));
    const Json report = json_of({"--python", "3.14t", folder / "m"});
    BOOST_TEST(report.at("pythons") == Json::array({"3.14t"}));
    BOOST_TEST(report.at("binaries").size() == 2u);
    BOOST_TEST(report.at("binaries")[0].at("modules")[0].at("verdict") == "free");
    BOOST_TEST(call({"audit", "--json", folder / "m"}).out == call({"audit", "--format", "json", folder / "m"}).out);
}

BOOST_AUTO_TEST_CASE(names_on_standard_input) {
    const Finished lines =
        call_in({"audit", "--format", "json", "-"}, extension("multi_free") + "\n\n" + extension("multi_used"));
    CHECK_STATUS(lines, 1);
    BOOST_TEST(Json::parse(lines.out).at("binaries").size() == 2u);
    std::string list = extension("multi_free");
    list.push_back('\0');
    const Finished nulls = call_in({"audit", "--format", "json", "-0", "-", extension("multi_used")}, list);
    BOOST_TEST(Json::parse(nulls.out).at("binaries").size() == 2u);
}

BOOST_AUTO_TEST_CASE(several_formats_at_once) {
    const Folder folder;
    const Finished finished = call({"audit", "--output", "sarif=" + (folder / "out"), "-o", folder / "r.json", "-o",
                                    folder / "r.md", extension("multi_used")});
    CHECK_STATUS(finished, 1);
    CHECK_CONTAINS(finished.out, "1 module in 1 package");
    BOOST_TEST(Json::parse(content_of(folder / "out")).at("version") == "2.1.0");
    BOOST_TEST(Json::parse(content_of(folder / "r.json")).at("schema_version") == 1);
    CHECK_CONTAINS(content_of(folder / "r.md"), "### Free-threading audit");
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
    BOOST_TEST(files == 3u);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_found_out_before_the_work) {
    const Folder folder;
    std::filesystem::create_symlink("loop.json", folder / "loop.json");
    std::filesystem::create_directory(folder / "folder.json");
    for (const std::string& file : {folder / "none/r.json", folder / "loop.json", folder / "folder.json",
                                    folder / std::string(300, 'x') + ".json"}) {
        for (const char* option : {"-o", "--write-baseline"}) {
            const Finished failed = call({"audit", "-o", folder / "good.sarif", option, file, extension("multi_used")});
            CHECK_STATUS(failed, 3);
            CHECK_CONTAINS(failed.err, "interlock: error: cannot write '" + file + "': ");
            BOOST_TEST(failed.out == "");
            BOOST_TEST(!std::filesystem::exists(folder / "good.sarif"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_that_fails_in_the_end_leaves_the_others) {
    const Folder folder;
    const Finished failed =
        call({"audit", "-o", "json=/dev/full", "-o", folder / "good.sarif", extension("multi_used")});
    CHECK_STATUS(failed, 3);
    CHECK_CONTAINS(failed.err, "cannot write '/dev/full': No space left on device");
    CHECK_CONTAINS(failed.out, "1 module in 1 package");
    BOOST_TEST(Json::parse(content_of(folder / "good.sarif")).at("version") == "2.1.0");
}

BOOST_AUTO_TEST_CASE(only_the_file_itself_is_replaced) {
    const Folder folder;
    const std::string file = folder.write("r.json", "old"), neighbour = folder.write("r.json.new", "precious");
    const std::string shared = folder.write("shared.json", "old");
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::create_directory(folder / "links");
    std::filesystem::create_symlink("../r.json", folder / "links/r.json");
    std::filesystem::create_symlink("../later.csv", folder / "links/later.csv");
    std::filesystem::create_hard_link(shared, folder / "twin.json");
    CHECK_STATUS(call({"audit", "-o", folder / "links/r.json", "-o", folder / "links/later.csv", "-o", shared,
                       extension("multi_free")}),
                 0);
    BOOST_TEST(std::filesystem::is_symlink(folder / "links/r.json"));
    BOOST_TEST(std::filesystem::is_symlink(folder / "links/later.csv"));
    BOOST_TEST(contains(content_of(file), "multi_free"));
    BOOST_TEST(contains(content_of(folder / "later.csv"), "multi_free"));
    BOOST_TEST(content_of(folder / "twin.json") == content_of(shared));
    BOOST_TEST(content_of(neighbour) == "precious");
    using std::filesystem::perms;
    BOOST_TEST((std::filesystem::status(file).permissions() == (perms::owner_read | perms::owner_write)));
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++entries;
    BOOST_TEST(entries == 6u);  // nothing temporary is left
    // What is no file is written to.
    CHECK_STATUS(call({"audit", "-o", "json=/dev/null", extension("multi_free")}), 0);
    CHECK_CONTAINS(call({"audit", "-o", "csv=/dev/stdout", extension("multi_free")}).out, "type,package,");
}

BOOST_AUTO_TEST_CASE(the_status_does_not_depend_on_who_reads) {
    Command audit = command({"audit", "-v", extension("multi_used")});
    audit.out = Stream::broken_pipe;
    const Finished unread = run_process(audit);
    CHECK_STATUS(unread, 1);
    BOOST_TEST(unread.err == "");
    for (const Stream out : {Stream::closed, Stream::full}) {
        audit.out = out;
        const Finished lost = run_process(audit);
        CHECK_STATUS(lost, 3);
        CHECK_CONTAINS(lost.err, "cannot write to standard output: ");
    }
}

BOOST_AUTO_TEST_CASE(progress_shows_the_end_of_the_path_and_never_wraps) {
    const Folder folder;
    for (const unsigned short columns : std::initializer_list<unsigned short>{80, 50, 20}) {
        Command audit = command({"audit", copy_extension(folder, "multi_free", std::string(60, 'x'))});
        audit.err = Stream::terminal;
        audit.columns = columns;
        const Finished finished = run_process(audit);
        CHECK_STATUS(finished, 0);
        // The number of all is not known at the start, so there is no bar.
        const std::size_t begin = finished.err.find("\r\033[K0 binaries");
        BOOST_REQUIRE(begin != std::string::npos);
        const std::string line = finished.err.substr(begin + 4, finished.err.find('\r', begin + 1) - begin - 4);
        BOOST_TEST(line.size() < columns);
        BOOST_TEST(contains(line, std::string(ending).substr(ending.size() - 10)) == (columns > 20));
        BOOST_TEST(finished.err.ends_with("\r\033[K"));
    }
}

BOOST_AUTO_TEST_CASE(nothing_to_audit) {
    const Folder folder;
    std::filesystem::create_directory(folder / "dist");
    const Finished empty = call({"audit", folder / "dist"});
    CHECK_STATUS(empty, 0);
    CHECK_CONTAINS(empty.err, "warning: nothing to audit in '" + (folder / "dist") + "': there is no compiled module");
    BOOST_TEST(empty.out == "no compiled modules in 0 files; 0 errors, 0 warnings, 0 notes\n");
    CHECK_STATUS(call({"audit", "--strict", folder / "dist"}), 1);
    const Finished list = call_in({"audit", "--strict", "-"}, "\n");
    CHECK_STATUS(list, 1);
    CHECK_CONTAINS(list.err, "error: nothing to audit: there is no name on standard input (--strict)");
    BOOST_TEST(call({"audit", "--strict", extension("multi_free")}).err == "");
}

BOOST_AUTO_TEST_CASE(sarif_has_paths_from_the_working_folder) {
    const Folder folder;
    const std::string file = copy_extension(folder, "multi_used");
    const Json report = Json::parse(call({"audit", "--format", "sarif", file}).out);
    BOOST_TEST(contains(report.at("runs")[0].at("results")[0].at("locations")[0].dump(), "multi_used"));
}

BOOST_AUTO_TEST_CASE(a_baseline_leaves_only_what_is_new) {
    const Folder folder;
    copy_extension(folder, "multi_used");
    const std::string baseline = folder / "baseline.json";
    CHECK_STATUS(call({"audit", "--write-baseline", baseline, folder / "m"}), 0);
    CHECK_STATUS(call({"audit", "--baseline", baseline, folder / "m"}), 0);
    copy_extension(folder, "multi_unmarked");
    const Finished both = call({"audit", "--format", "json", "--baseline", baseline, folder / "m"});
    CHECK_STATUS(both, 1);
    const std::vector<std::string> expected = {"IL001"};
    BOOST_TEST(rules_in(Json::parse(both.out)) == expected, boost::test_tools::per_element());
    std::filesystem::remove(folder / ("m/multi_used" + std::string(ending)));
    const Finished stale = call({"audit", "--baseline", baseline, folder / "m"});
    CHECK_CONTAINS(stale.err, baseline + ":");
    CHECK_CONTAINS(stale.err, ": note: stale: IL002 'multi_used' is not found any more");

    const std::string wrong = folder.write("wrong.json", "{\"version\": 1,\n  \"finding\": []}");
    const Finished refused = call({"audit", "--baseline", wrong, folder / "m"});
    CHECK_STATUS(refused, 4);
    CHECK_CONTAINS(refused.err, wrong + ":2:3: error: unknown key 'finding'");
    BOOST_TEST(refused.out == "");
    CHECK_STATUS(call({"audit", "--baseline", folder / "none.json", folder / "m"}), 4);
}

BOOST_AUTO_TEST_CASE(the_policy_of_the_loader) {
    const Folder folder;
    const auto policy = [&](std::string_view action, std::string_view pattern) {
        return folder.write("policy.json", "{\"rules\": [{\"match\": {\"module\": \"" + std::string(pattern) +
                                               "\"}, \"threading\": \"" + std::string(action) +
                                               "\", \"reason\": \"looked at\"}]}");
    };
    CHECK_STATUS(call({"audit", "--policy", policy("free", "multi_*"), extension("multi_used")}), 0);
    CHECK_STATUS(call({"audit", "--policy", policy("global_lock", "multi_*"), extension("multi_used")}), 0);
    CHECK_STATUS(call({"audit", "--policy", policy("free", "other"), extension("multi_used")}), 1);
    const Finished refused = call({"audit", "--policy", policy("refuse", "multi_*"), extension("multi_free")});
    CHECK_STATUS(refused, 1);
    CHECK_CONTAINS(refused.out, "IL015");
    CHECK_CONTAINS(refused.out, "looked at");
    CHECK_STATUS(call({"audit", "--policy", folder.write("wrong.json", "{"), extension("multi_free")}), 4);
}

BOOST_AUTO_TEST_CASE(an_ignore_that_fits_nothing_is_said) {
    const Finished finished = call({"audit", "--ignore", "nothing-like-it", extension("multi_free")});
    CHECK_STATUS(finished, 0);
    CHECK_CONTAINS(finished.err, "--ignore 'nothing-like-it' fits none of the findings");
}

BOOST_AUTO_TEST_CASE(modules_of_interlock_count_as_well) {
    const Json report =
        json_of({module_folder() + "/probe.so", module_folder() + "/needy.so", module_folder() + "/plain.so"});
    std::map<std::string, std::string> verdicts;
    for (const Json& binary : report.at("binaries"))
        for (const Json& module : binary.at("modules")) verdicts[module.at("name")] = module.at("verdict");
    BOOST_TEST(verdicts["probe"] == "free");
    BOOST_TEST(verdicts["needy"] == "global_lock");
    BOOST_TEST(verdicts["plain"] == "unmarked");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(inspect)

BOOST_AUTO_TEST_CASE(all_evidence_of_one_extension) {
    const Finished finished = call({"inspect", extension("multi_used")});
    CHECK_STATUS(finished, 0);
    CHECK_CONTAINS(finished.out, extension("multi_used") + "\n  format       ELF64 little-endian");
    CHECK_CONTAINS(finished.out, "\n  ABI          free_threaded 3.13\n");
    CHECK_CONTAINS(finished.out, "\n  exports      PyInit_multi_used\n");
    CHECK_CONTAINS(finished.out, "\n    verdict      global_lock");
    CHECK_CONTAINS(finished.out, "\n    slot         4 Py_mod_gil = 0x0\n");
    CHECK_CONTAINS(finished.out, "\n    3.13t        turns the GIL on");
    CHECK_CONTAINS(finished.out, "\n    rule         IL002 gil-used error: ");
    const Json json =
        Json::parse(call({"inspect", "--format", "json", "--python", "3.14t", extension("multi_used")}).out);
    BOOST_TEST(json.at("schema_version") == 1);
    BOOST_TEST(json.at("pythons") == Json::array({"3.14t"}));
    BOOST_TEST(json.at("binaries")[0].at("modules")[0].at("slots").size() >= 1u);
    BOOST_TEST(json.at("findings")[0].at("rule") == "IL020");  // of all that was looked at
    BOOST_TEST(json.at("findings")[1].at("rule") == "IL002");
    const Json& module = json.at("binaries")[0].at("modules")[0];
    const auto in_file = [&](const std::string& value) {
        const std::uint64_t address = std::stoull(value, nullptr, 16);
        return address != 0 && address < json.at("binaries")[0].at("size").get<std::uint64_t>() * 4;
    };
    // Addresses are those in the file, and of arguments there are as many as the function has.
    BOOST_TEST(in_file(module.at("slots")[1].at("value")));
    if (!interlock::has_emulator()) return;
    const Json& call_of_init = module.at("calls")[0];
    BOOST_TEST(call_of_init.at("function") == "PyModuleDef_Init");
    BOOST_REQUIRE(call_of_init.at("arguments").size() == 1u);
    BOOST_TEST(in_file(call_of_init.at("arguments")[0]));
}

BOOST_AUTO_TEST_CASE(why_nothing_was_run) {
    const Finished finished = call({"inspect", extension("single_unmarked")});
    CHECK_CONTAINS(finished.out, "evidence     the file imports neither PyUnstable_Module_SetGIL nor PyModuleDef_Init");
    BOOST_TEST(!contains(finished.out, "\n    instructions "));
}

BOOST_AUTO_TEST_CASE(a_module_of_interlock_is_judged_as_well) {
    const Finished needy = call({"inspect", module_folder() + "/needy.so"});
    CHECK_CONTAINS(needy.out, "\n  verdict      global_lock: its marker says global_lock\n  confidence   certain\n");
    CHECK_CONTAINS(needy.out, "\n  import       the runtime falls back to locked mode\n");
    CHECK_CONTAINS(needy.out, "\n  rule         IL002 gil-used error: ");
    CHECK_CONTAINS(call({"inspect", module_folder() + "/probe.so"}).out,
                   "\n  import       the runtime stays parallel\n");
    const Json json = Json::parse(call({"inspect", "--json", module_folder() + "/needy.so"}).out);
    BOOST_TEST(json.at("markers").size() == 1u);
    BOOST_TEST(json.at("binaries")[0].at("modules")[0].at("verdict") == "global_lock");
    BOOST_TEST(json.at("findings")[0].at("rule") == "IL002");
}

BOOST_AUTO_TEST_CASE(an_archive_without_modules) {
    using namespace std::string_literals;
    const auto zeros = [](std::size_t number) { return std::string(number, '\0'); };
    const Folder folder;
    // One empty member, p.py.
    const std::string file = folder.write(
        "x-1-py3-none-any.whl", "PK\3\4" + zeros(22) + "\4" + zeros(3) + "p.py" + "PK\1\2" + zeros(24) + "\4" +
                                    zeros(17) + "p.py" + "PK\5\6" + zeros(4) + "\1\0\1\0\x32\0\0\0\x22"s + zeros(5));
    const Finished finished = call({"inspect", file});
    CHECK_STATUS(finished, 3);
    CHECK_CONTAINS(finished.err, "there is no compiled module in '" + file + "'");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(explain)

BOOST_AUTO_TEST_CASE(a_rule_by_id_or_name) {
    const Finished by_id = call({"explain", "IL001"});
    CHECK_STATUS(by_id, 0);
    for (const char* part : {"IL001 (audit rule)\n", "\nWhy:\n", "\nWhat to do:\n", "  ### Cython\n", "  ### PyO3\n",
                             "PYBIND11_MODULE(name, m, py::mod_gil_not_used())"})
        CHECK_CONTAINS(by_id.out, part);
    for (const std::string& line : lines_of(call({"explain", "IL005"}).out)) BOOST_TEST(line.size() <= 100u, line);
    BOOST_TEST(call({"explain", "unmarked"}).out == by_id.out);
    BOOST_TEST(call({"explain", "il001"}).out == by_id.out);
    const Json json = Json::parse(call({"explain", "--json", "gil-used"}).out).at("codes")[0];
    BOOST_TEST(json.at("code") == "IL002");
    BOOST_TEST(json.at("level") == "error");
    CHECK_CONTAINS(call({"explain", "unmarkd"}).err, "did you mean 'unmarked'?");
    CHECK_CONTAINS(call({"explain"}).out, "IL001  ");
}

BOOST_AUTO_TEST_SUITE_END()
