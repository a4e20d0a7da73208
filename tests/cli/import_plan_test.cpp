// import_plan_test.cpp: `interlock import` and `interlock plan`: results, warnings, failures, reports.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_import_plan
#include <boost/test/unit_test.hpp>
#include <interlock/audit.hpp>

#include "support.hpp"

using namespace interlock::test;

namespace {

std::string fallback_line(const std::string& module) {
    return "interlock: warning: module '" + module +
           "' needs the global lock: as long as it is loaded, one thread at a time runs code of modules";
}

Json json_of(const Finished& finished) {
    const Json json = Json::parse(finished.out);
    BOOST_TEST(json.at("schema_version") == 1);
    return json;
}

std::size_t count_lines_with(const std::string& text, const std::string& begin) {
    const auto lines = lines_of(text);
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(begin); }));
}

/// Every hostile name, and what must be said of it.
struct NameRow {
    std::string name;
    const char* message;
};
const std::vector<NameRow> hostile_names = {
    {"", "'' is not a module name: it is empty"},
    {"..", "'..' is not a module name"},
    {"/", "'/' is not a module name"},
    {"../plain", "'../plain' is not a module name"},
    {"/etc/passwd", "'/etc/passwd' is not a module name"},
    {"a..b", "'a..b' is not a module name"},
    {".probe", "'.probe' is not a module name"},
    {"probe.", "'probe.' is not a module name"},
    {"pro be", "'pro be' is not a module name"},
    {"evil\033[2J\nname", "'evil\\x1b[2J\\nname' is not a module name"},
    {"caf\xe9", "'caf\\xe9' is not a module name"},
    {std::string(10240, 'a'), "aaa...' is not a module name: it is longer than 1000 bytes"},
    {std::string(300, 'a'), "is not a module name: a component is longer than 200 bytes"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(import)

BOOST_AUTO_TEST_CASE(says_what_each_module_got) {
    const Finished finished = call_with_modules({"import", "--json", "probe", "guarded", "legacy", "plain", "needy"});
    CHECK_STATUS(finished, 0);
    struct Row {
        const char *module, *threading, *decided_by, *mode;
    };
    const std::vector<Row> rows = {{"probe", "free", "marker", "parallel"},
                                   {"guarded", "module_lock", "marker", "parallel"},
                                   {"legacy", "free", "init", "parallel"},
                                   {"plain", "global_lock", "default", "locked"},
                                   {"needy", "global_lock", "marker", "locked"}};
    const Json modules = json_of(finished).at("modules");
    BOOST_REQUIRE(modules.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        BOOST_TEST_CONTEXT(rows[i].module) {
            const Json& module = modules[i];
            BOOST_TEST(module.at("module") == rows[i].module);
            BOOST_TEST(module.at("file") == module_folder() + "/" + rows[i].module + ".so");
            BOOST_TEST(module.at("threading") == rows[i].threading);
            BOOST_TEST(module.at("decided_by") == rows[i].decided_by);
            BOOST_TEST(module.at("mode_after") == rows[i].mode);
            std::size_t deciding = 0;
            for (const Json& reason : module.at("why")) deciding += reason.at("decided").get<bool>() ? 1 : 0;
            BOOST_TEST(deciding == 1u);
        }
    }
    // Every module that needs the lock is named, not only the first.
    BOOST_TEST(count_lines_with(finished.err, "interlock: warning: ") == 2u);
}

BOOST_AUTO_TEST_CASE(as_a_table) {
    const Finished finished = call_with_modules({"import", "probe", "pkg.part", "-W", "ignore"});
    CHECK_STATUS(finished, 0);
    const auto lines = lines_of(finished.out);
    BOOST_REQUIRE(lines.size() == 3u);
    BOOST_TEST(lines[0] == "MODULE    THREADING  DECIDED BY  MODE AFTER  FILE");
    BOOST_TEST(lines[1] == "probe     free       marker      parallel    " + module_folder() + "/probe.so");
    BOOST_TEST(lines[2] == "pkg.part  free       marker      locked      " + module_folder() + "/pkg/part.so");
    BOOST_TEST(finished.err == "");
}

BOOST_AUTO_TEST_CASE(the_warning_in_full) {
    const Finished finished = call_with_modules({"import", "plain"});
    CHECK_STATUS(finished, 0);
    const auto lines = lines_of(finished.err);
    BOOST_REQUIRE(lines.size() == 10u);
    BOOST_TEST(lines[0] == fallback_line("plain"));
    const std::vector<std::string> labels = {"file", "why", "why", "imported by", "effect", "fix", "fix", "fix", "fix"};
    for (std::size_t i = 0; i < labels.size(); ++i) BOOST_TEST(lines[i + 1].starts_with("  " + labels[i] + " "));
    CHECK_CONTAINS(lines[1], module_folder() + "/plain.so (build-id ");
    CHECK_CONTAINS(lines[2], "the file carries no marker");
    CHECK_CONTAINS(lines[4], "the command line");
    CHECK_CONTAINS(lines[7], "plain.so.interlock.json: {\"version\": 1, \"module\": \"plain\", ");
    // What is to be pasted is valid.
    const std::string rule = lines[8].substr(lines[8].find('{'));
    const Folder folder;
    const Finished checked = call({"policy", "check", folder.write("pasted.json", rule)});
    CHECK_STATUS(checked, 0);
    BOOST_TEST(lines[9] == "  fix          or for all modules, at your own risk: -X gil=0");
}

BOOST_AUTO_TEST_CASE(the_warning_in_the_words_of_cpython) {
    const std::string line =
        "RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module 'plain', which has not "
        "declared that it can run safely without the GIL. To override this behavior and keep the GIL disabled (at your "
        "own risk), run with PYTHON_GIL=0 or -Xgil=0.";
    const Finished finished = call_with_modules({"import", "plain", "--warnings", "python"});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(lines_of(finished.err).at(0) == line);
    const Finished refused = call_with_modules({"import", "plain", "--warnings", "python", "-W", "error"});
    CHECK_STATUS(refused, 1);
    BOOST_TEST(lines_of(refused.err).at(0) == "interlock: error: " + line);
}

BOOST_AUTO_TEST_CASE(warnings_as_json) {
    const Finished finished = call_with_modules({"import", "plain", "--warnings", "json", "--color", "always"});
    CHECK_STATUS(finished, 0);
    const auto lines = lines_of(finished.err);
    BOOST_REQUIRE(lines.size() == 1u);
    const Json warning = Json::parse(lines[0]);
    BOOST_TEST(warning.at("category") == "fallback");
    BOOST_TEST(warning.at("module") == "plain");
    BOOST_TEST("interlock: warning: " + warning.at("message").get<std::string>() == fallback_line("plain"));
    BOOST_TEST(!warning.contains("python_category"));
    BOOST_TEST(warning.at("details").at("fix").size() == 4u);
}

struct FilterRow {
    Words options;
    int status;
    std::size_t warnings;
    const char* mode;
};

BOOST_AUTO_TEST_CASE(filters_and_the_gil_option) {
    const std::vector<FilterRow> rows = {
        {{}, 0, 2, "locked"},
        {{"-W", "always"}, 0, 2, "locked"},
        {{"-W", "ignore"}, 0, 0, "locked"},
        {{"-W", "ignore:fallback:plain"}, 0, 1, "locked"},
        {{"-W", "ignore::plain*"}, 0, 0, "locked"},
        {{"-W", "ignore:RuntimeWarning"}, 0, 0, "locked"},
        {{"-W", "ignore", "-W", "default:fallback:plain2"}, 0, 1, "locked"},
        {{"-W", "error"}, 1, 0, nullptr},
        {{"-W", "error", "-W", "ignore:fallback"}, 0, 0, "locked"},
        {{"-X", "gil=1"}, 0, 0, "locked"},
        {{"-X", "gil=1", "-W", "error"}, 0, 0, "locked"},
        {{"-X", "gil=0"}, 0, 0, "parallel"},
        {{"-X", "gil=0", "-W", "error"}, 0, 0, "parallel"},
        {{"--override", "plain=free", "--override", "plain2=module_lock"}, 0, 0, "parallel"},
        {{"--override", "plain=refuse", "--override", "plain2=refuse"}, 1, 0, nullptr},
    };
    for (const FilterRow& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.options).dump()) {
            Words words = {"import", "--json", "plain", "plain2"};
            words.insert(words.end(), row.options.begin(), row.options.end());
            const Finished finished = call_with_modules(words);
            CHECK_STATUS(finished, row.status);
            BOOST_TEST(count_lines_with(finished.err, "interlock: warning: ") == row.warnings);
            const Json modules = json_of(finished).at("modules");
            for (const Json& module : modules) {
                if (row.mode != nullptr)
                    BOOST_TEST(module.at("mode_after") == row.mode);
                else
                    BOOST_TEST(module.contains("error"));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(an_error_filter_keeps_the_runtime_parallel) {
    const Finished finished = call_with_modules({"import", "--json", "-W", "error", "plain", "probe"});
    CHECK_STATUS(finished, 1);
    const Json modules = json_of(finished).at("modules");
    BOOST_TEST(modules[0].at("error").at("code") == "warning_as_error");
    BOOST_TEST(modules[1].at("mode_after") == "parallel");
}

BOOST_AUTO_TEST_CASE(failures_do_not_stop_the_others) {
    const Finished finished = call_with_modules({"import", "--json", "broken", "nothing", "probe"});
    CHECK_STATUS(finished, 1);
    const Json modules = json_of(finished).at("modules");
    BOOST_TEST(modules[0].at("error").at("code") == "exec_failed");
    BOOST_TEST(modules[1].at("error").at("code") == "not_found");
    BOOST_TEST(modules[2].at("threading") == "free");
    BOOST_TEST(count_lines_with(finished.err, "interlock: error: ") == 2u);
    CHECK_CONTAINS(finished.err, "no licence \\x1b[31mfound");
    BOOST_TEST(!contains(finished.err, "\033"));
}

BOOST_AUTO_TEST_CASE(when_all_fail_there_is_no_table) {
    const Finished finished = call_with_modules({"import", "nothing"});
    CHECK_STATUS(finished, 1);
    BOOST_TEST(finished.out == "");
}

BOOST_AUTO_TEST_CASE(hostile_names_are_errors_in_plain_text) {
    for (const NameRow& row : hostile_names) {
        for (const char* verb : {"import", "plan"}) {
            BOOST_TEST_CONTEXT(verb << " " << row.message) {
                const Finished finished = call_with_modules({verb, "--", row.name, "probe"});
                CHECK_STATUS(finished, 1);
                CHECK_CONTAINS(finished.err, row.message);
                BOOST_TEST(finished.err.size() < 600u);
                BOOST_TEST(lines_of(finished.err).size() == 1u);
                CHECK_CONTAINS(finished.out, "probe");
            }
        }
        const Finished finished = call_with_modules({"import", "--json", "--", row.name});
        CHECK_STATUS(finished, 1);
        BOOST_TEST(json_of(finished).at("modules")[0].at("error").at("code") == "invalid_name");
    }
}

BOOST_AUTO_TEST_CASE(path_comes_before_the_environment) {
    const Folder folder;
    folder.copy_module("guarded.so", "guarded.so");
    const Finished finished = call_with_modules({"import", "--json", "--path", folder.path(), "guarded", "probe"});
    const Json modules = json_of(finished).at("modules");
    BOOST_TEST(modules[0].at("file") == folder / "guarded.so");
    BOOST_TEST(modules[1].at("file") == module_folder() + "/probe.so");
}

BOOST_AUTO_TEST_CASE(a_policy_decides) {
    const Folder folder;
    const std::string policy = folder.write("policy.json", R"({
        "rules": [{"match": {"module": "plain*"}, "threading": "module_lock", "reason": "looked at"},
                  {"match": {"module": "needy"}, "threading": "refuse", "reason": "not\nreviewed"}],
        "default": {"unmarked": "free"}})");
    const Finished finished =
        call_with_modules({"import", "--json", "plain", "needy", "pkg", "probe"}, {{"INTERLOCK_POLICY", policy}});
    CHECK_STATUS(finished, 1);
    const Json modules = json_of(finished).at("modules");
    BOOST_TEST(modules[0].at("threading") == "module_lock");
    BOOST_TEST(modules[0].at("decided_by") == "policy");
    BOOST_TEST(modules[1].at("error").at("code") == "refused");
    CHECK_CONTAINS(finished.err, "not\\nreviewed");
    BOOST_TEST(modules[2].at("threading") == "free");
    BOOST_TEST(modules[3].at("mode_after") == "parallel");
}

BOOST_AUTO_TEST_CASE(verbose_says_what_is_imported) {
    const Finished finished = call_with_modules({"import", "-v", "probe"});
    BOOST_TEST(finished.err == "# importing module 'probe'\n# imported module 'probe' from '" + module_folder() +
                                   "/probe.so': free by marker, now parallel\n");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(report)

BOOST_AUTO_TEST_CASE(is_written_whatever_happens) {
    const Folder folder;
    const std::string file = folder / "report.json";
    const auto report = [&] { return Json::parse(content_of(file)); };

    CHECK_STATUS(call_with_modules({"import", "plain", "probe", "--report", file}), 0);
    BOOST_TEST(report().at("modules").size() == 2u);
    BOOST_TEST(report().at("fallbacks")[0].at("module") == "plain");
    BOOST_TEST(report().at("runtime").at("mode") == "locked");

    CHECK_STATUS(call_with_modules({"import", "broken", "--report", file}), 1);
    BOOST_TEST(report().at("runtime").at("mode") == "parallel");

    CHECK_STATUS(call_with_modules({"run", "probe.nothing", "/dev/null", "--report", file}), 1);
    BOOST_TEST(report().at("modules")[0].at("module") == "probe");

    Command unread = command({"import", "plain", "--report", file}, {{"INTERLOCK_PATH", module_folder()}});
    unread.out = Stream::broken_pipe;
    CHECK_STATUS(run_process(unread), 0);
    BOOST_TEST(report().at("modules")[0].at("module") == "plain");

    CHECK_STATUS(call_with_modules({"plan", "plain", "--report", file}), 1);
    BOOST_TEST(report().at("modules").size() == 0u);
}

BOOST_AUTO_TEST_CASE(that_cannot_be_written_is_found_out_before_the_work) {
    const Finished finished = call_with_modules({"import", "plain", "--report", "/nowhere/report.json"});
    CHECK_STATUS(finished, 3);
    CHECK_CONTAINS(finished.err, "cannot write the report '/nowhere/report.json': No such file or directory");
    BOOST_TEST(finished.out == "");
    CHECK_STATUS(call_with_modules({"import", "plain", "-W", "ignore", "--report", "/dev/full"}), 3);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(plan)

BOOST_AUTO_TEST_CASE(tells_why_and_what_to_do) {
    const Finished finished = call_with_modules({"plan", "plain"});
    CHECK_STATUS(finished, 1);
    BOOST_TEST(finished.err == "");  // nothing was imported, so nothing is warned of
    const auto lines = lines_of(finished.out);
    BOOST_TEST(lines.at(0) == "plain: would fall back to locked mode");
    const std::vector<std::string> labels = {"file",    "build-id", "entry point", "marker", "asked", "decided by",
                                             "warning", "fix",      "fix",         "fix",    "fix"};
    BOOST_REQUIRE(lines.size() == labels.size() + 1);
    for (std::size_t i = 0; i < labels.size(); ++i) BOOST_TEST(lines[i + 1].starts_with("  " + labels[i] + " "));
    CHECK_CONTAINS(lines[7], fallback_line("plain").substr(sizeof "interlock: warning: " - 1));
}

BOOST_AUTO_TEST_CASE(agrees_with_the_import) {
    struct Row {
        Words options;
        const char* module;
        int status;
    };
    const std::vector<Row> rows = {
        {{}, "probe", 0},
        {{}, "guarded", 0},
        {{}, "plain", 1},
        {{}, "needy", 1},
        {{}, "legacy", 1},
        {{"-X", "gil=0"}, "plain", 0},
        {{"-X", "gil=1"}, "plain", 0},
        {{"--override", "plain=free"}, "plain", 0},
        {{"--override", "probe=refuse"}, "probe", 1},
        {{"-W", "error"}, "plain", 1},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.module << " " << Json(row.options).dump()) {
            Words words = {"plan", "--json", row.module};
            words.insert(words.end(), row.options.begin(), row.options.end());
            const Finished planned = call_with_modules(words);
            CHECK_STATUS(planned, row.status);
            words[0] = "import";
            const Finished imported = call_with_modules(words);
            const Json plan = json_of(planned).at("modules")[0];
            const Json import = json_of(imported).at("modules")[0];
            if (import.contains("error")) {
                BOOST_TEST(plan.at("error").at("code") == import.at("error").at("code"));
            } else {
                const bool by_init = import.at("decided_by") == "init";  // known only when it has run
                if (!by_init) BOOST_TEST(plan.at("action") == import.at("threading"));
                if (!by_init) BOOST_TEST(plan.at("decided_by") == import.at("decided_by"));
                BOOST_TEST(plan.at("file") == import.at("file"));
                const std::size_t warned = count_lines_with(imported.err, "interlock: warning: ");
                BOOST_TEST(plan.at("warnings").size() == warned + by_init);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(an_init_function_is_asked_in_the_emulator) {
    const Finished finished = call_with_modules({"plan", "legacy"});
    CHECK_STATUS(finished, 1);
    CHECK_CONTAINS(finished.out, "init function of the legacy kind");
    if (interlock::has_emulator()) {
        CHECK_CONTAINS(finished.out,
                       "legacy: would fall back to locked mode until its init function declares it free\n");
        CHECK_CONTAINS(finished.out, "  audit       free (certain): its init function says free");
    } else {
        CHECK_CONTAINS(finished.out,
                       "legacy: would fall back to locked mode, and leave it if its init function declares it free\n");
        CHECK_CONTAINS(finished.out, "  audit       undetermined");
    }
    const Json module = json_of(call_with_modules({"plan", "--json", "legacy"})).at("modules")[0];
    BOOST_TEST(module.at("audit").at("verdict") == (interlock::has_emulator() ? "free" : "undetermined"));
    // It has no say where somebody else has decided.
    const Finished decided = call_with_modules({"plan", "--json", "--override", "legacy=free", "legacy"});
    CHECK_STATUS(decided, 0);
    BOOST_TEST(!json_of(decided).at("modules")[0].contains("audit"));
}

BOOST_AUTO_TEST_CASE(extension_modules_of_cpython_are_told_apart) {
    const std::string file =
        from_environment("INTERLOCK_TEST_EXTENSIONS") + "/multi_unmarked.cpython-313t-x86_64-linux-gnu.so";
    const Folder folder;
    const std::string report = folder / "report.json";
    const Finished finished = call({"plan", "--report", report, file});
    CHECK_STATUS(finished, 1);
    BOOST_TEST(lines_of(finished.out).at(0) == "multi_unmarked: would fail (missing_symbol)");
    CHECK_CONTAINS(finished.out, "  audit       unmarked (");
    CHECK_CONTAINS(finished.out, "3.13t: turns_gil_on");
    CHECK_CONTAINS(finished.out, "is an extension module of CPython");
    BOOST_TEST(Json::parse(content_of(report)).is_object());
    // The others are planned all the same.
    const Json modules = json_of(call({"plan", "--json", file, module_folder() + "/probe.so"})).at("modules");
    BOOST_REQUIRE(modules.size() == 2u);
    BOOST_TEST(modules[0].at("module") == "multi_unmarked");
    BOOST_TEST(modules[0].at("error").at("code") == "missing_symbol");
    BOOST_TEST(modules[0].at("audit").at("effects").at("3.13t") == "turns_gil_on");
    BOOST_TEST(modules[1].at("action") == "free");
}

// What the dynamic linker would not find is known before.
BOOST_AUTO_TEST_CASE(a_library_that_is_not_there_fails_the_import) {
    const std::string folder = from_environment("INTERLOCK_TEST_LINKED");
    for (const char* verb : {"plan", "import"}) {
        BOOST_TEST_CONTEXT(verb) {
            CHECK_STATUS(call({verb, "linked"}, {{"INTERLOCK_PATH", folder}}), 1);
            CHECK_STATUS(call({verb, "beside"}, {{"INTERLOCK_PATH", folder}}), 0);
            CHECK_STATUS(call({verb, "linked"},
                              {{"INTERLOCK_PATH", folder}, {"LD_LIBRARY_PATH", "/nowhere:" + folder + "/lib"}}),
                         0);
        }
    }
    const Json module = json_of(call({"plan", "--json", "linked"}, {{"INTERLOCK_PATH", folder}})).at("modules")[0];
    BOOST_TEST(module.at("error").at("code") == "load_failed");
    CHECK_CONTAINS(module.at("error").at("message").get<std::string>(),
                   "/linked.so' needs the library 'libcli_gone.so'");
    CHECK_STATUS(call({"plan", "not_there"}), 1);
}

BOOST_AUTO_TEST_CASE(packages_come_first) {
    const Finished finished = call_with_modules({"plan", "--json", "pkg.part"});
    CHECK_STATUS(finished, 1);
    const Json modules = json_of(finished).at("modules");
    BOOST_REQUIRE(modules.size() == 2u);
    BOOST_TEST(modules[0].at("module") == "pkg");
    BOOST_TEST(modules[0].at("would_fall_back") == true);
    BOOST_TEST(modules[1].at("module") == "pkg.part");
    // An import of the part imports the package as well.
    BOOST_TEST(modules[1].at("would_fall_back") == true);
}

BOOST_AUTO_TEST_CASE(takes_files) {
    struct Row {
        std::string file, module;
    };
    const Folder folder;
    folder.copy_module("probe.so", "x/renamed.so");
    const std::vector<Row> rows = {{module_folder() + "/probe.so", "probe"},
                                   {module_folder() + "/pkg/part.so", "pkg.part"},
                                   {module_folder() + "/pkg/../plain.so", "plain"},
                                   {module_folder() + "/pkg/__init__.so", "pkg"},
                                   {folder / "x/renamed.so", "renamed"}};
    Words words = {"plan", "--json"};
    for (const Row& row : rows) words.push_back(row.file);
    const Finished finished = call(words);
    CHECK_STATUS(finished, 1);
    std::vector<std::string> names;
    const Json modules = json_of(finished).at("modules");
    for (const Json& module : modules) names.push_back(module.at("module"));
    const std::vector<std::string> expected = {"probe", "pkg", "pkg.part", "plain", "pkg", "renamed"};
    BOOST_TEST(names == expected, boost::test_tools::per_element());
    // Under a name that its entry point does not have it cannot be imported.
    BOOST_TEST(modules[5].at("error").at("code") == "missing_symbol");
}

BOOST_AUTO_TEST_CASE(of_a_wrong_name_it_says_how_to_correct_it) {
    const Folder folder;
    const std::string wrong = folder.copy_module("probe.so", "wrong.so");
    const Finished finished = call({"plan", wrong});
    CHECK_STATUS(finished, 1);
    BOOST_TEST(finished.out == "wrong: would fail (missing_symbol)\n  file        " + wrong +
                                   "\n  error       module 'wrong' from '" + wrong +
                                   "': it exports neither il_module_export_wrong nor il_module_init_wrong; it has the "
                                   "entry point of 'probe': name the file probe.so, or give IL_MODULE the id wrong\n");
    BOOST_TEST(json_of(call({"plan", "--json", wrong})).at("modules")[0].at("warnings").empty());

    // The entry point goes by the last part of the name, the marker by all of it.
    folder.copy_module("probe.so", "pkg/probe.so");
    const Finished inside = call({"plan", "--path", folder.path(), "pkg.probe"});
    CHECK_STATUS(inside, 1);
    CHECK_CONTAINS(inside.out,
                   "\n  fix         the marker is for module 'probe': state the name 'pkg.probe' in "
                   "IL_MODULE, or import it by that of the marker\n");
    BOOST_TEST(!contains(inside.out, "policy"));

    const Finished absent = call({"plan", folder / "absent.so"});
    CHECK_STATUS(absent, 1);
    CHECK_CONTAINS(absent.err, folder / "absent.so");
}

BOOST_AUTO_TEST_CASE(files_that_are_no_modules) {
    const Folder folder;
    ::mkfifo((folder / "pipe.so").c_str(), 0600);
    std::filesystem::create_directory(folder / "dir.so");
    const std::string library = content_of(module_folder() + "/probe.so");
    folder.write("cut.so", std::string_view(library).substr(0, 200));
    folder.write("text.so", "GROUP ( libc.so.6 )\n");
    struct Row {
        const char *file, *code;
    };
    for (const Row& row : {Row{"pipe.so", "unreadable"}, Row{"dir.so", "unreadable"}, Row{"cut.so", "malformed_file"},
                           Row{"text.so", "malformed_file"}, Row{"none.so", "not_found"}}) {
        BOOST_TEST_CONTEXT(row.file) {
            const Finished finished = call({"plan", "--json", folder / row.file});
            CHECK_STATUS(finished, 1);
            BOOST_TEST(json_of(finished).at("modules")[0].at("error").at("code") == row.code);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
