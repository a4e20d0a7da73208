// call_test.cpp: `interlock call`: what arguments become, and what comes out.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_call
#include <boost/test/unit_test.hpp>

#include "support.hpp"

using namespace interlock::test;

namespace {

Finished echo(const Words& arguments) {
    Words words = {"call", "probe.echo"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return call_with_modules(words);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_argument_is_json_or_else_text) {
    const Folder folder;
    const std::string file = folder.write("file", "a\xff");
    struct Row {
        Words arguments;
        std::string result;
    };
    const std::vector<Row> rows = {
        {{"12"}, "12"},
        {{"-12"}, "-12"},
        {{"-.5"}, "\"-.5\""},
        {{"-0.5"}, "-0.5"},
        {{"1e3"}, "1000.0"},
        {{"9223372036854775807"}, "9223372036854775807"},
        {{"-9223372036854775808"}, "-9223372036854775808"},
        {{"true"}, "true"},
        {{"null"}, "null"},
        {{""}, "\"\""},
        {{" "}, "\" \""},
        {{"-"}, "\"-\""},
        {{"hello world"}, "\"hello world\""},
        {{"12 apples"}, "\"12 apples\""},
        {{"\"12\""}, "\"12\""},
        {{"\"@x\""}, "\"@x\""},
        {{"[1, [true, null], {}]"}, "[1,[true,null],{}]"},
        {{"{\"b\": 1, \"a\": {\"c\": \"d\"}}"}, "{\"b\":1,\"a\":{\"c\":\"d\"}}"},
        {{"@" + file}, "{\"bytes\":\"Yf8=\"}"},
        {{"--args-as", "text", "12"}, "\"12\""},
        {{"--args-as=text", "@x"}, "\"@x\""},
        {{"--args-as", "text", "[1"}, "\"[1\""},
        {{"--args-as", "json", "12"}, "12"},
        {{"--", "--help"}, "\"--help\""},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.arguments).dump()) {
            const Finished finished = echo(row.arguments);
            CHECK_STATUS(finished, 0);
            BOOST_TEST(finished.out == row.result + "\n");
            BOOST_TEST(finished.err == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_value_is_refused_before_anything_is_imported) {
    struct Row {
        Words arguments;
        int status;
        std::string message;
    };
    const std::string many(100, '[');
    const std::vector<Row> rows = {
        {{"[1, 2"}, 2, "the argument '[1, 2' is no JSON that a module can get: "},
        {{"[1, 2"}, 2, "; --args-as text takes it as it stands"},
        {{"9223372036854775808"}, 2, "9223372036854775808 does not fit into 64 bits"},
        {{"[18446744073709551616]"}, 2, "18446744073709551616 does not fit into 64 bits"},
        {{many}, 2, "it is nested more than 64 deep"},
        {{"--args-as", "json", "word"}, 2, "the argument 'word' is no JSON"},
        {{"--args-as", "json", ""}, 2, "the argument '' is no JSON"},
        {{"\xff"}, 2, "is no UTF-8 text (byte 0)"},
        {{"--nonsense"}, 2, "unknown option '--nonsense'"},
        {{"@/nothing/here"}, 3, "'/nothing/here' cannot be read: "},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(Json(row.arguments).dump(-1, ' ', false, Json::error_handler_t::replace)) {
            Words words = {"call", "not_there.echo"};
            words.insert(words.end(), row.arguments.begin(), row.arguments.end());
            const Finished finished = call_with_modules(words);
            CHECK_STATUS(finished, row.status);
            BOOST_TEST(finished.out == "");
            CHECK_CONTAINS(finished.err, row.message);
        }
    }
    CHECK_STATUS(call_with_modules({"call"}), 2);
    CHECK_STATUS(call_with_modules({"call", "probe"}), 2);
}

BOOST_AUTO_TEST_CASE(arguments_keep_their_order) {
    const Finished finished = call_with_modules({"call", "probe.join", "so far ", "-j2", "7"});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == "\"so far 7;\"\n");
    const Finished numbers = call_with_modules({"call", "probe.list", "-1", "2", "-3", "--timeout", "60", "a", "-4"});
    CHECK_STATUS(numbers, 0);
    BOOST_TEST(numbers.out == "[-1,2,-3,\"a\",-4]\n");
}

BOOST_AUTO_TEST_CASE(octets_come_from_stdin) {
    Command with_input = command({"call", "probe.size", "@-"}, {{"INTERLOCK_PATH", module_folder()}});
    with_input.input = std::string(100'000, 'x');
    const Finished finished = run_process(with_input);
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == "100000\n");
}

BOOST_AUTO_TEST_CASE(failures_are_status_1_with_the_reason) {
    const Finished failed = call_with_modules({"call", "probe.join", "null", "13"});
    CHECK_STATUS(failed, 1);
    BOOST_TEST(failed.out == "");
    CHECK_CONTAINS(failed.err, "interlock: error: probe.join failed: ");
    CHECK_CONTAINS(failed.err, "13 brings bad luck");
    const Finished no_function = call_with_modules({"call", "probe.ecko"});
    CHECK_STATUS(no_function, 1);
    CHECK_CONTAINS(no_function.err, "echo");
    CHECK_STATUS(call_with_modules({"call", "nothing.echo", "1"}), 1);
}

BOOST_AUTO_TEST_CASE(json_is_one_document) {
    const Finished finished = call_with_modules({"--json", "call", "probe.echo", "[1]"});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(Json::parse(finished.out) ==
               Json::parse(R"({"schema_version": 1, "module": "probe", "function": "echo", "result": [1]})"));
    const Finished failed = call_with_modules({"--json", "call", "probe.join", "null", "13"});
    CHECK_STATUS(failed, 1);
    BOOST_TEST(Json::parse(failed.out).at("error").at("code") == "call_failed");
}
