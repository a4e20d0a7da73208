// options_test.cpp: what comes before any verb does its work: the options, the environment, where values come from,
// exit statuses, and what stdout and stderr look like.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_options
#include <boost/test/unit_test.hpp>

#include <interlock/gil_option.hpp>
#include <interlock/version.hpp>

#include "support.hpp"

using namespace interlock::test;
using interlock::is_free_threading_build;

namespace {

/// The entry of that name in `interlock config --json`.
Json config_entry(const Finished& finished, std::string_view name) {
    BOOST_REQUIRE_MESSAGE(finished.status == 0, finished.err);
    const Json json = Json::parse(finished.out);
    for (const Json& entry : json.at("config")) {
        if (entry.at("name") == name) return entry;
    }
    BOOST_FAIL("config has no " << name);
    return {};
}

const Words config_json = {"config", "--json"};

Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gil_option)

struct GilRow {
    const char* interlock_gil;  // null: not set
    const char* python_gil;
    Words options;
    const char* value;   // as `config gil` says; null: fatal
    const char* source;  // or the message
};

// The rows that are the same in every build come first.
const std::vector<GilRow> gil_rows = {
    {nullptr, nullptr, {}, "automatic", "default"},
    {"", "", {}, "automatic", "default"},
    {"1", nullptr, {}, "1", "INTERLOCK_GIL"},
    {nullptr, "1", {}, "1", "PYTHON_GIL"},
    {"", "1", {}, "1", "PYTHON_GIL"},
    {"1", "0", {}, "1", "INTERLOCK_GIL"},
    {"1", "yes", {}, "1", "INTERLOCK_GIL"},
    {nullptr, nullptr, {"-X", "gil=1"}, "1", "-X gil"},
    {nullptr, nullptr, {"-Xgil=1"}, "1", "-X gil"},
    {"1", nullptr, {"-X", "gil=1"}, "1", "-X gil"},
    {nullptr, "2", {}, nullptr, "PYTHON_GIL must be \"0\" or \"1\", not '2'"},
    {nullptr, "00", {}, nullptr, "PYTHON_GIL must be \"0\" or \"1\", not '00'"},
    {nullptr, "1 ", {}, nullptr, "PYTHON_GIL must be \"0\" or \"1\", not '1 '"},
    {nullptr, "\033[1m", {}, nullptr, "PYTHON_GIL must be \"0\" or \"1\", not '\\x1b[1m'"},
    {"yes", "1", {}, nullptr, "INTERLOCK_GIL must be \"0\" or \"1\", not 'yes'"},
    // The environment is read first.
    {nullptr, "yes", {"-X", "gil=1"}, nullptr, "PYTHON_GIL must be \"0\" or \"1\", not 'yes'"},
    {nullptr, nullptr, {"-X", "gil=2"}, nullptr, "-X gil must be \"0\" or \"1\", not '2'"},
    {nullptr, nullptr, {"-X", "gil="}, nullptr, "-X gil must be \"0\" or \"1\", not ''"},
    {nullptr, nullptr, {"-X", "gil"}, nullptr, "-X gil must be \"0\" or \"1\", not ''"},
};
const std::vector<GilRow> free_threading_rows = {
    {"0", nullptr, {}, "0", "INTERLOCK_GIL"},
    {nullptr, "0", {}, "0", "PYTHON_GIL"},
    {"0", "1", {}, "0", "INTERLOCK_GIL"},
    {nullptr, nullptr, {"-X", "gil=0"}, "0", "-X gil"},
    {nullptr, "1", {"-X", "gil=0"}, "0", "-X gil"},
    {nullptr, "0", {"-X", "gil=1"}, "1", "-X gil"},
    {nullptr, nullptr, {"-X", "gil=0", "-X", "gil=1"}, "1", "-X gil"},
    {nullptr, nullptr, {"-X", "gil=1", "-Xgil=0"}, "0", "-X gil"},
};
const std::vector<GilRow> classic_rows = {
    {"0", nullptr, {}, nullptr, "Disabling the GIL is not supported by this build"},
    {nullptr, "0", {}, nullptr, "Disabling the GIL is not supported by this build"},
    {nullptr, nullptr, {"-X", "gil=0"}, nullptr, "Disabling the GIL is not supported by this build"},
    {nullptr, "0", {"-X", "gil=1"}, nullptr, "Disabling the GIL is not supported by this build"},
};

void check_row(const GilRow& row) {
    Variables environment;
    if (row.interlock_gil != nullptr) environment["INTERLOCK_GIL"] = row.interlock_gil;
    if (row.python_gil != nullptr) environment["PYTHON_GIL"] = row.python_gil;
    const Finished finished = call(with(row.options, config_json), environment);
    if (row.value == nullptr) {
        CHECK_STATUS(finished, 1);
        BOOST_TEST(finished.out == "");
        BOOST_TEST(finished.err.starts_with(std::string("Fatal error: config_read_gil: ") + row.source));
        BOOST_TEST(lines_of(finished.err).size() == 1u);
        return;
    }
    CHECK_STATUS(finished, 0);
    const Json entry = config_entry(finished, "gil");
    BOOST_TEST(entry.at("value") == row.value);
    BOOST_TEST(entry.at("source") == row.source);
    const bool locked = std::string_view(row.value) == "1" || !is_free_threading_build();
    BOOST_TEST(config_entry(finished, "mode").at("value") == (locked ? "locked" : "parallel"));
}

BOOST_AUTO_TEST_CASE(every_row_of_the_table) {
    for (const auto* rows : {&gil_rows, is_free_threading_build() ? &free_threading_rows : &classic_rows}) {
        for (const GilRow& row : *rows) {
            BOOST_TEST_CONTEXT("INTERLOCK_GIL=" << (row.interlock_gil ? row.interlock_gil : "(unset)")
                                                << " PYTHON_GIL=" << (row.python_gil ? row.python_gil : "(unset)")
                                                << " options=" << Json(row.options).dump()) {
                check_row(row);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_verb_checks_it) {
    for (const Words& words : std::vector<Words>{{"run", "a.b", "c"},
                                                 {"import", "a"},
                                                 {"plan", "a"},
                                                 {"config"},
                                                 {"policy", "check", "a"},
                                                 {"manifest", "create", "a"},
                                                 {"manifest", "check", "a"},
                                                 {"inspect", "a"},
                                                 {"explain"}}) {
        BOOST_TEST_CONTEXT(words[0]) {
            const Finished finished = call(words, {{"PYTHON_GIL", "on"}});
            CHECK_STATUS(finished, 1);
            CHECK_CONTAINS(finished.err, "config_read_gil");
        }
    }
}

BOOST_AUTO_TEST_CASE(help_and_version_do_not) {
    CHECK_STATUS(call({"--version"}, {{"PYTHON_GIL", "on"}}), 0);
    CHECK_STATUS(call({"config", "--help"}, {{"PYTHON_GIL", "on"}}), 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(version)

BOOST_AUTO_TEST_CASE(once_and_twice) {
    for (const char* option : {"--version", "-V"}) {
        const Finished finished = call({option});
        CHECK_STATUS(finished, 0);
        BOOST_TEST(finished.out == "interlock " INTERLOCK_VERSION "\n");
        BOOST_TEST(finished.err == "");
    }
    for (const Words& words : {Words{"-VV"}, Words{"-V", "--version"}}) {
        const Finished finished = call(words);
        CHECK_STATUS(finished, 0);
        BOOST_TEST(contains(finished.out, "free-threading build") == is_free_threading_build());
        for (const char* part : {"interlock " INTERLOCK_VERSION, "oneTBB 20", "membarrier "})
            CHECK_CONTAINS(finished.out, part);
#if defined(__clang__)
        CHECK_CONTAINS(finished.out, "[Clang ");
#else
        CHECK_CONTAINS(finished.out, "[GCC ");
#endif
    }
    CHECK_CONTAINS(call({"-VV"}, {{"INTERLOCK_NO_MEMBARRIER", "1"}}).out, "membarrier no");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(gil_disabled_is_a_number) {
    const Finished finished = call({"config", "GIL_DISABLED"});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == (is_free_threading_build() ? "1\n" : "0\n"));
}

BOOST_AUTO_TEST_CASE(every_value_can_be_asked_for) {
    const Finished all = call(config_json);
    CHECK_STATUS(all, 0);
    const Json json = Json::parse(all.out);
    BOOST_TEST(json.at("schema_version") == 1);
    const std::string table = call({"config"}).out;
    for (const Json& entry : json.at("config")) {
        const std::string name = entry.at("name");
        CHECK_CONTAINS(table, "\n" + name + " ");
        const Finished one = call({"config", name, "--json"});
        CHECK_STATUS(one, 0);
        BOOST_TEST(Json::parse(one.out).at(name) == entry.at("value"));
        BOOST_TEST(!call({"config", name}).out.empty());
    }
    for (const char* name : {"version", "GIL_DISABLED", "gil", "mode", "threads", "switch_interval_ms", "path",
                             "policy", "filters", "warnings", "membarrier", "tbb", "compiler", "overrides", "color"})
        CHECK_CONTAINS(table, std::string("\n") + name);
}

BOOST_AUTO_TEST_CASE(an_unknown_value) {
    const Finished finished = call({"config", "GIL_DISABELD"});
    CHECK_STATUS(finished, 2);
    CHECK_CONTAINS(finished.err, "did you mean 'GIL_DISABLED'?");
}

BOOST_AUTO_TEST_CASE(sources) {
    const Folder folder;
    const std::string policy = folder.write("p.json", R"({"warnings": ["ignore:fallback:a.*"]})");
    struct Row {
        const char* name;
        Words options;
        Variables environment;
        Json value;
        const char* source;
    };
    const std::vector<Row> rows = {
        {"path", {}, {}, Json::array(), "default"},
        {"path", {}, {{"INTERLOCK_PATH", ":a::b:"}}, {"a", "b"}, "INTERLOCK_PATH"},
        {"path", {"--path", "x", "--path=y"}, {{"INTERLOCK_PATH", "a"}}, {"x", "y", "a"}, "--path, INTERLOCK_PATH"},
        {"policy", {}, {{"INTERLOCK_POLICY", ""}}, nullptr, "default"},
        {"policy", {}, {{"INTERLOCK_POLICY", policy}}, policy, "INTERLOCK_POLICY"},
        {"policy", {"--policy", policy}, {{"INTERLOCK_POLICY", "/none"}}, policy, "--policy"},
        {"threads", {}, {{"INTERLOCK_THREADS", "3"}}, 3, "INTERLOCK_THREADS"},
        {"threads", {"-j5"}, {{"INTERLOCK_THREADS", "3"}}, 5, "--threads"},
        {"threads", {"--threads", "4"}, {}, 4, "--threads"},
        {"switch_deadline_ms", {}, {}, nullptr, "default"},
        {"switch_deadline_ms", {"--switch-deadline", "250"}, {}, 250, "--switch-deadline"},
        {"filters", {}, {}, Json::array(), "default"},
        {"filters", {"-W", "error", "-Wignore:stall"}, {}, {"error::*", "ignore:stall:*"}, "-W"},
        {"filters", {"--policy", policy, "-W", "always::m"}, {}, {"ignore:fallback:a.*", "always::m"}, "policy, -W"},
        {"overrides", {"--override", "a.b=refuse"}, {}, {{"a.b", "refuse"}}, "--override"},
        {"warnings", {"--warnings", "json"}, {}, "json", "--warnings"},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.name << " " << Json(row.options).dump()) {
            const Json entry = config_entry(call(with(row.options, config_json), row.environment), row.name);
            BOOST_TEST(entry.at("value") == row.value);
            BOOST_TEST(entry.at("source") == row.source);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(exit_statuses)

struct UsageRow {
    Words words;
    const char* message;
};

BOOST_AUTO_TEST_CASE(wrong_command_lines_exit_with_2) {
    const std::vector<UsageRow> rows = {
        {{"pln", "x"}, "unknown verb 'pln'; did you mean 'plan'?"},
        {{"\033[31m"}, "unknown verb '\\x1b[31m'"},
        {{"policy", "chek"}, "unknown verb 'chek'; did you mean 'check'?"},
        {{"policy"}, "'policy' needs another verb behind it"},
        {{"import"}, "'import' takes MODULE..., but nothing was given"},
        {{"run", "a.b"}, "'run' takes MODULE.FUNCTION INPUT..., but one argument was given"},
        {{"explain", "a", "b"}, "'explain' takes [CODE], but 2 arguments were given"},
        {{"import", "--jsn", "x"}, "unknown option '--jsn'; did you mean '--json'?"},
        {{"--polcy=x", "import", "x"}, "unknown option '--polcy=x'; did you mean '--policy'?"},
        {{"run", "--unorderd", "a.b", "c"}, "unknown option '--unorderd'; did you mean '--unordered'?"},
        {{"config", "-Z"}, "unknown option '-Z'"},
        {{"import", "--unordered", "x"}, "unknown option '--unordered'"},  // of another verb
        {{"import", "x", "--policy"}, "--policy needs a value: FILE"},
        {{"config", "-j"}, "--threads needs a value: N"},
        {{"import", "x", "--policy="}, "--policy is given an empty value"},
        {{"--json=yes", "config"}, "--json takes no value, but is given 'yes'"},
        {{"--warnings", "jsn", "config"}, "--warnings takes one of text|json|python, not 'jsn'; did you mean 'json'?"},
        {{"--color=maybe", "config"}, "--color takes one of auto|always|never, not 'maybe'"},
        {{"-j0", "config"}, "--threads takes a whole number from 1 to 1024, not '0'"},
        {{"-j", "1025", "config"}, "--threads takes a whole number from 1 to 1024, not '1025'"},
        {{"-j", "2x", "config"}, "--threads takes a whole number from 1 to 1024, not '2x'"},
        {{"-j=-1", "config"}, "--threads takes a whole number"},
        {{"--switch-deadline", "1.5", "config"}, "--switch-deadline takes a whole number from 1 to 86400000"},
        {{"-X", "gli=1", "config"}, "-X has no option 'gli'; did you mean 'gil'?"},
        {{"-W", "eror", "config"}, "did you mean 'error'?"},
        {{"-W", "error:falback", "config"}, "did you mean 'fallback'?"},
        {{"--override", "a", "config"}, "--override takes MODULE=LEVEL, not 'a'"},
        {{"--override", "=free", "config"}, "--override takes MODULE=LEVEL, not '=free'"},
        {{"--override", "a=fre", "config"}, "'fre' is no threading level; did you mean 'free'?"},
        {{"--path", "", "config"}, "--path"},
        {{"run", "nodot", "x"}, "MODULE.FUNCTION is needed, not 'nodot'"},
        {{"run", "a.", "x"}, "MODULE.FUNCTION is needed, not 'a.'"},
        {{"run", ".a", "x"}, "MODULE.FUNCTION is needed, not '.a'"},
        {{"run", "a.b", "--reduce", "c", "x"}, "MODULE.FUNCTION is needed, not 'c'"},
        {{"run", "a.b", "-", "x"}, "'-' reads the names of all inputs from stdin"},
        {{"run", "a.b", "-", "--import-during", "c"}, "--import-during needs to know the number of inputs"},
        {{"run", "a.b", "/", "--import-after", "c"}, "--import-after takes N:MODULE, not 'c'"},
        {{"run", "a.b", "/dev/null", "--unload-after", "1:"}, "--unload-after takes N:MODULE, not '1:'"},
        {{"run", "a.b", "/dev/null", "--import-after", "x:c"}, "--import-after takes a whole number"},
        {{"run", "a.b", "x", "--input-as", "txt"}, "did you mean 'text'?"},
        {{"manifest", "create", "x"}, "needs --module NAME"},
        {{"manifest", "create", "x", "--module", "m"}, "needs --threading LEVEL"},
        {{"explain", "falback"}, "did you mean 'fallback'?"},
    };
    for (const UsageRow& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.words).dump(-1, ' ', true)) {
            const Finished finished = call(row.words);
            CHECK_STATUS(finished, 2);
            BOOST_TEST(finished.out == "");
            BOOST_TEST(finished.err.starts_with("interlock: error: "));
            CHECK_CONTAINS(finished.err, row.message);
            CHECK_CONTAINS(finished.err, "\nTry: interlock ");
            BOOST_TEST(!contains(finished.err, "\033"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_environment_variable_exits_with_2) {
    const Finished finished = call({"config"}, {{"INTERLOCK_THREADS", "many"}});
    CHECK_STATUS(finished, 2);
    CHECK_CONTAINS(finished.err, "INTERLOCK_THREADS takes a whole number from 1 to 1024, not 'many'");
}

BOOST_AUTO_TEST_CASE(without_a_verb_help_goes_to_stderr) {
    const Finished finished = call({});
    CHECK_STATUS(finished, 2);
    BOOST_TEST(finished.out == "");
    CHECK_CONTAINS(finished.err, "Usage: interlock");
}

BOOST_AUTO_TEST_CASE(a_bad_policy_exits_with_4) {
    const Folder folder;
    const std::string wrong = folder.write("wrong.json", "{\"rulez\": []}\n");
    const std::string late = folder.write(
        "late.json",
        R"({"rules": [{"match": {"module": "x"}, "threading": "free", "reason": "r", "expires": "2001-01-01"}]})");
    for (const Words& verb :
         std::vector<Words>{{"config"}, {"import", "probe"}, {"plan", "probe"}, {"run", "probe.size", "/dev/null"}}) {
        BOOST_TEST_CONTEXT(verb[0]) {
            Finished finished = call_with_modules(with(verb, {"--policy", wrong}));
            CHECK_STATUS(finished, 4);
            CHECK_CONTAINS(finished.err, wrong + ":1:2: error: ");
            CHECK_CONTAINS(finished.err, "[unknown-key]; did you mean 'rules'?");
            BOOST_TEST(finished.out == "");
            finished = call_with_modules(with(verb, {"--policy", folder / "none.json"}));
            CHECK_STATUS(finished, 4);
            CHECK_CONTAINS(finished.err, "none.json");
            // A policy that has something to warn of is used, unless a filter says otherwise.
            finished = call_with_modules(with(verb, {"--policy", late, "-q"}));
            BOOST_TEST(finished.status != 4);
            CHECK_CONTAINS(finished.err, "warning");
            CHECK_CONTAINS(finished.err, "[expired-rule]");
            finished = call_with_modules(with(verb, {"--policy", late, "-q", "-W", "ignore:policy"}));
            BOOST_TEST(!contains(finished.err, "expired-rule"));
            finished = call_with_modules(with(verb, {"--policy", late, "-W", "error:policy"}));
            CHECK_STATUS(finished, 4);
            finished = call_with_modules(with(verb, {"--policy", late, "-q", "--warnings", "json"}));
            const Json warning = Json::parse(lines_of(finished.err).at(0));
            BOOST_TEST(warning.at("category") == "policy");
            BOOST_TEST(warning.at("details").at("code").at(0) == "expired-rule");
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(streams)

struct ColorRow {
    Words options;
    Variables environment;
    bool terminal;
    bool on;
    const char* source;
};

BOOST_AUTO_TEST_CASE(color_rules) {
    const std::vector<ColorRow> rows = {
        {{}, {}, false, false, "default"},
        {{}, {{"TERM", "xterm"}}, true, true, "terminal"},
        {{}, {}, true, true, "terminal"},
        {{}, {{"TERM", "dumb"}}, true, false, "TERM"},
        {{}, {{"NO_COLOR", "1"}}, true, false, "NO_COLOR"},
        {{}, {{"NO_COLOR", ""}}, true, true, "terminal"},
        {{}, {{"FORCE_COLOR", "1"}}, false, true, "FORCE_COLOR"},
        {{}, {{"CLICOLOR_FORCE", "1"}}, false, true, "CLICOLOR_FORCE"},
        {{}, {{"CLICOLOR_FORCE", "0"}}, false, false, "default"},
        {{}, {{"FORCE_COLOR", "1"}, {"TERM", "dumb"}}, false, true, "FORCE_COLOR"},
        {{}, {{"FORCE_COLOR", "1"}, {"NO_COLOR", "1"}}, true, false, "NO_COLOR"},
        {{"--color=always"}, {{"NO_COLOR", "1"}}, false, true, "--color"},
        {{"--color", "never"}, {{"FORCE_COLOR", "1"}}, true, false, "--color"},
        {{"--color=auto"}, {}, false, false, "default"},
    };
    for (const ColorRow& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.options).dump() << Json(row.environment).dump() << row.terminal) {
            Command config = command(with(row.options, config_json), row.environment);
            if (row.terminal) config.out = Stream::terminal;
            const Finished finished = run_process(config);
            const Json entry = config_entry(finished, "color");
            BOOST_TEST(entry.at("value") == row.on);
            BOOST_TEST(entry.at("source") == row.source);
            BOOST_TEST(!contains(finished.out, "\033"));  // JSON is never coloured

            Command table = command(with(row.options, {"config"}), row.environment);
            if (row.terminal) table.out = Stream::terminal;
            BOOST_TEST(contains(run_process(table).out, "\033[1mNAME") == row.on);

            Command error = command(with(row.options, {"explain", "zzz"}), row.environment);
            if (row.terminal) error.err = Stream::terminal;
            BOOST_TEST(contains(run_process(error).err, "\033[1;31merror:\033[0m") == row.on);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_reader_that_has_gone_away_changes_no_status) {
    const Folder folder;
    const std::string wrong = folder.write("wrong.json", "{");
    struct Row {
        Words words;
        int status;
    };
    for (const Row& row : {Row{{"explain"}, 0}, Row{{"policy", "check", wrong}, 4}}) {
        Command unread = command(row.words);
        unread.out = Stream::broken_pipe;
        const Finished finished = run_process(unread);
        CHECK_STATUS(finished, row.status);
        BOOST_TEST(finished.err == "");
    }
}

BOOST_AUTO_TEST_CASE(output_that_cannot_be_written_exits_with_3) {
    Command explain = command({"explain"});
    explain.out = Stream::full;
    const Finished finished = run_process(explain);
    CHECK_STATUS(finished, 3);
    CHECK_CONTAINS(finished.err, "cannot write to standard output: No space left on device");
    explain.out = Stream::closed;
    const Finished closed = run_process(explain);
    CHECK_STATUS(closed, 3);
    CHECK_CONTAINS(closed.err, "cannot write to standard output: it is closed");
}

BOOST_AUTO_TEST_CASE(without_any_stream_nothing_is_overwritten) {
    const Folder folder;
    Command import = command({"import", "nothing", "--report", folder / "report.json"});
    import.out = import.err = Stream::closed;
    CHECK_STATUS(run_process(import), 1);
    BOOST_TEST(Json::parse(content_of(folder / "report.json")).at("schema_version") == 1);
}

BOOST_AUTO_TEST_CASE(options_stand_before_or_behind_the_verb) {
    for (const Words& words : {Words{"--json", "config", "GIL_DISABLED"}, Words{"config", "--json", "GIL_DISABLED"},
                               Words{"config", "GIL_DISABLED", "--json"}}) {
        BOOST_TEST(Json::parse(call(words).out).contains("GIL_DISABLED"));
    }
}

BOOST_AUTO_TEST_SUITE_END()
