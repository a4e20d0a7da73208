// What the functions of the sample modules return, and what they say to wrong arguments.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_functions
#include <boost/test/unit_test.hpp>

#include <interlock/interlock.hpp>

#include "host.hpp"
#include "support/temporary_folder.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

struct Case {
    const char* function;
    List args;
    std::string expected;  // JSON
};

Map counts(std::initializer_list<std::pair<std::string, Value>> entries) { return Map(entries); }

const std::vector<Case>& results() {
    static const std::vector<Case> cases = {
        {"textkit.tokens", {"int main(int argc)"}, R"(["int","main","int","argc"])"},
        {"textkit.tokens", {""}, "[]"},
        {"textkit.tokens", {" .;\n"}, "[]"},
        {"textkit.tokens", {"x"}, R"(["x"])"},
        {"textkit.tokens", {"naïve 日本_1, öl"}, R"(["naïve","日本_1","öl"])"},
        // Not UTF-8: a continuation byte alone, an overlong form, a surrogate, beyond Unicode, cut at the end.
        {"textkit.tokens", {bytes("a\x80z \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 b\xc3")}, R"(["a","z","b"])"},
        {"textkit.tokens", {bytes("\xf0\x9f\x98\x80x\xe2\x82")}, "[\"\xf0\x9f\x98\x80x\"]"},
        {"textkit.lines", {"one\ntwo\nthree"}, "2"},
        {"textkit.lines", {bytes("\n\n\n")}, "3"},
        {"textkit.lines", {""}, "0"},
        {"textkit.count", {"one two\nthree"}, R"({"lines":1,"words":3,"bytes":13})"},
        {"textkit.count", {bytes("")}, R"({"lines":0,"words":0,"bytes":0})"},
        {"textkit.word_counts", {"b a b c a b"}, R"({"b":3,"a":2,"c":1})"},
        {"textkit.word_counts", {"b a c", 2}, R"({"a":1,"b":1})"},
        {"textkit.word_counts", {"b a c", 0}, "{}"},
        {"textkit.word_counts", {"b", 9}, R"({"b":1})"},
        {"textkit.sum", {Value(), 7}, "7"},
        {"textkit.sum", {40, 2}, "42"},
        {"textkit.sum", {Value(), counts({{"a", 1}})}, R"({"a":1})"},
        {"textkit.sum", {counts({{"a", 1}, {"b", 2}}), counts({{"c", 3}, {"a", 4}})}, R"({"a":5,"b":2,"c":3})"},
        {"textkit.sum", {counts({}), counts({})}, "{}"},
        {"sqlkv.size", {}, "0"},
        {"sqlkv.get", {"nothing"}, "null"},
        {"sqlkv.put", {"text", "naïve"}, "null"},
        {"sqlkv.put", {"empty", ""}, "null"},
        {"sqlkv.put", {"number", 41}, "null"},
        {"sqlkv.put", {"", "the empty key"}, "null"},
        {"sqlkv.get", {"text"}, R"("naïve")"},
        {"sqlkv.get", {"empty"}, R"("")"},
        {"sqlkv.get", {"number"}, "41"},
        {"sqlkv.get", {""}, R"("the empty key")"},
        {"sqlkv.put", {"text", "other"}, "null"},
        {"sqlkv.get", {"text"}, R"("other")"},
        {"sqlkv.add", {counts({{"number", 1}, {"new", 5}})}, "null"},
        {"sqlkv.get", {"number"}, "42"},
        {"sqlkv.size", {}, "5"},
        {"sqlkv.clear", {}, "null"},
        {"sqlkv.size", {}, "0"},
        {"legacy_tok.tokens", {"one two\tthree\nfour"}, "4"},
        {"legacy_tok.tokens", {bytes(std::string_view("a\0b", 3))}, "2"},
        {"legacy_tok.tokens", {" \n"}, "0"},
        {"legacy_tok.tokens", {""}, "0"},
        {"legacy_tok.tokens", {std::string(200'000, 'x') + " y"}, "5"},  // longer than the buffer: in four pieces
        {"legacy_init.date", {0}, R"("1970-01-01T00:00:00Z")"},
        {"legacy_free.date", {1'000'000'000}, R"("2001-09-09T01:46:40Z")"},
        {"stats.mean", {Value(List{1, 2.5, 4})}, "2.5"},
        {"stats.spread.variance", {Value(List{2, 4, 4, 4, 5, 5, 7, 9})}, "4.0"},
    };
    return cases;
}

const std::vector<Case>& argument_errors() {
    static const std::string map_usage =
        "sum(accumulated, next) takes two integers or two maps of integers; accumulated may be null";
    static const std::string word_counts_usage =
        "word_counts(text[, top]) takes a string or bytes, and how many words to keep (0 or more)";
    static const std::vector<Case> cases = {
        {"textkit.tokens", {}, "tokens(text) takes one string or bytes"},
        {"textkit.tokens", {1}, "tokens(text) takes one string or bytes"},
        {"textkit.lines", {"a", "b"}, "lines(text) takes one string or bytes"},
        {"textkit.count", {Value()}, "count(text) takes one string or bytes"},
        {"textkit.word_counts", {}, word_counts_usage},
        {"textkit.word_counts", {"a", -1}, word_counts_usage},
        {"textkit.word_counts", {"a", 1.5}, word_counts_usage},
        {"textkit.word_counts", {"a", 1, 1}, word_counts_usage},
        {"textkit.sum", {1}, map_usage},
        {"textkit.sum", {Value(), Value()}, map_usage},
        {"textkit.sum", {1, counts({})}, map_usage},
        {"textkit.sum", {counts({}), 1}, map_usage},
        {"textkit.sum", {counts({{"a", "x"}}), counts({})}, map_usage},
        {"sqlkv.open", {}, "open(path) takes one string, not empty and without zero bytes"},
        {"sqlkv.open", {""}, "open(path) takes one string, not empty and without zero bytes"},
        {"sqlkv.open", {std::string("a\0b", 3)}, "open(path) takes one string, not empty and without zero bytes"},
        {"sqlkv.put", {"a"}, "put(key, value) takes a string, and a string or an integer"},
        {"sqlkv.put", {"a", 1.5}, "put(key, value) takes a string, and a string or an integer"},
        {"sqlkv.get", {1}, "get(key) takes one string"},
        {"sqlkv.add", {counts({{"a", 1.5}})}, "add(counts) takes one map of integers"},
        {"sqlkv.add", {1}, "add(counts) takes one map of integers"},
        {"sqlkv.size", {1}, "size() takes nothing"},
        {"sqlkv.clear", {1}, "clear() takes nothing"},
        {"legacy_tok.tokens", {1}, "tokens(text) takes one string or bytes"},
        {"legacy_tok.checksum", {}, "checksum(text) takes one string or bytes"},
        {"legacy_init.date", {"now"}, "date(seconds) takes one integer"},
        {"legacy_init.date", {INT64_MAX}, "date(seconds): the year does not fit"},
        {"legacy_free.date", {}, "date(seconds) takes one integer"},
        {"legacy_free.date", {INT64_MAX}, "date(seconds): the year does not fit"},
        {"stats.mean", {Value(List{})}, "mean(numbers) takes one list that is not empty"},
        {"stats.mean", {Value(List{1, "2"})}, "mean(numbers): item 1 is not a number"},
        {"stats.spread.variance", {7}, "variance(numbers): mean(numbers) takes one list that is not empty"},
    };
    return cases;
}

struct Failed {
    il_status status;
    std::string message;
};

Failed call_for_error(const Function& function, const List& args) {
    Scope borrowed, results;
    std::vector<il_value> values;
    for (const Value& arg : args) values.push_back(borrowed.borrow(arg).value());
    il_value result;
    const il_status status = function.call(results, values, result);
    return {status, results.error_message()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(functions_return_what_they_promise) {
    Host host(with_threads(2));
    for (const Case& row : results()) {
        BOOST_TEST_CONTEXT(row.function << Value(row.args).to_json()) {
            const Result<Value> result = host.function(row.function)(row.args);
            BOOST_REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().message));
            BOOST_TEST(result->to_json() == row.expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(wrong_arguments_are_errors_that_say_what_is_right) {
    Host host(with_threads(2));
    for (const Case& row : argument_errors()) {
        BOOST_TEST_CONTEXT(row.function << Value(row.args).to_json()) {
            const Failed failed = call_for_error(host.function(row.function), row.args);
            BOOST_TEST(failed.status == IL_ERROR_ARGUMENT);
            BOOST_TEST(failed.message == row.expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_sum_that_does_not_fit_is_an_error) {
    Host host(with_threads(2));
    const Failed failed = call_for_error(host.function("textkit.sum"), {INT64_MAX, 1});
    BOOST_TEST(failed.status == IL_ERROR_FAILED);
    BOOST_TEST(failed.message == "sum: the total does not fit into 64 bits");
}

BOOST_AUTO_TEST_CASE(long_texts_have_all_their_words) {
    Host host(with_threads(2));
    const std::string word(70'000, 'w');  // longer than the distance between two safe points
    std::string text;
    for (int i = 0; i < 5; ++i) text += word + '\n';
    BOOST_TEST(host.call("textkit.word_counts", {text}).find(word)->get<std::int64_t>() == 5);
    BOOST_TEST(host.call("textkit.lines", {text}).get<std::int64_t>() == 5);
}

BOOST_AUTO_TEST_CASE(every_module_gets_the_level_that_it_asks_for) {
    Host host(with_threads(2));
    const std::pair<const char*, ThreadingLevel> expected[] = {
        {"textkit", ThreadingLevel::free},      {"zcodec", ThreadingLevel::free},
        {"sqlkv", ThreadingLevel::module_lock}, {"stats", ThreadingLevel::free},
        {"stats.spread", ThreadingLevel::free}, {"blur", ThreadingLevel::free},
        {"grayscale", ThreadingLevel::free},    {"legacy_free", ThreadingLevel::free},
    };
    for (const auto& [name, level] : expected) {
        BOOST_TEST_CONTEXT(name) {
            const Module module = host.loader.import(name).value();
            BOOST_TEST(level_name(module.level()) == level_name(level));
            BOOST_TEST(!module.doc().empty());
            for (const std::string& function : module.functions())
                BOOST_TEST(!module.function(function).value().doc().empty());
            BOOST_TEST(!host.runtime.is_gil_enabled());
        }
    }
    BOOST_TEST(host.warned_of().empty());
    std::vector<std::string> warned_of;
    for (const char* name : {"legacy_tok", "legacy_init", "legacy_sharpen"}) {
        BOOST_TEST_CONTEXT(name) {
            warned_of.push_back(name);
            host.loader.import(name).value();
            BOOST_TEST(host.runtime.is_gil_enabled());
            BOOST_TEST(host.warned_of() == warned_of, boost::test_tools::per_element());
            host.loader.unload(name).value();
            BOOST_TEST(!host.runtime.is_gil_enabled());
        }
    }
}

BOOST_AUTO_TEST_CASE(the_members_of_a_package_keep_it_loaded) {
    Host host(with_threads(2));
    host.loader.import("stats.spread").value();
    BOOST_TEST(host.loader.find("stats").ok());
    BOOST_TEST((host.loader.unload("stats").error().code == Errc::in_use));
    host.loader.unload("stats.spread").value();
    host.loader.unload("stats").value();
}

BOOST_AUTO_TEST_CASE(a_database_in_a_file_outlives_the_module) {
    const TemporaryFolder folder;
    const std::string file = folder.path() / "pairs.sqlite";
    Host host(with_threads(2));
    host.call("sqlkv.open", {file});
    host.call("sqlkv.put", {"key", "value"});
    host.loader.unload("sqlkv").value();
    BOOST_TEST(host.call("sqlkv.get", {"key"}).is_null());
    host.call("sqlkv.open", {file});
    BOOST_TEST(host.call("sqlkv.get", {"key"}).get<std::string>() == "value");
}

BOOST_AUTO_TEST_CASE(a_database_that_cannot_be_opened_leaves_the_old_one_in_use) {
    const TemporaryFolder folder;
    const std::string file = folder.write("text", std::string(4096, 'x'));
    Host host(with_threads(2));
    host.call("sqlkv.put", {"key", "value"});
    const Failed failed = call_for_error(host.function("sqlkv.open"), {file});
    BOOST_TEST(failed.status == IL_ERROR_IO);
    BOOST_TEST(failed.message == "sqlkv: cannot open the database '" + file + "': file is not a database");
    BOOST_TEST(host.call("sqlkv.get", {"key"}).get<std::string>() == "value");
}
