// marker_json_test.cpp: the description of a marker note, by itself: what is accepted, and the exact reason for
// everything else.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE marker_json
#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include <interlock/marker.hpp>

using namespace interlock;
using namespace std::string_view_literals;

namespace {

Result<Marker> parse(std::string_view json) { return parse_marker(json, "dir/lib.so", 0x2a8); }

std::string with_module(const std::string& name) {
    return R"({"abi":1,"module":")" + name + R"(","threading":"free"})";
}
std::string with_key(const std::string& key_and_value) {
    return R"({"abi":1,"module":"m","threading":"free",)" + key_and_value + "}";
}

struct Bad {
    std::string json;
    std::string_view reason;
};

void check_rejected(const Bad& row) {
    const auto result = parse(row.json);
    BOOST_TEST_CONTEXT("json " << row.json.substr(0, 200)) {
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST((result.error().code == Errc::malformed_marker));
        const std::string expected = "'dir/lib.so' has a malformed Interlock marker at offset 0x2a8: ";
        BOOST_TEST(result.error().message.starts_with(expected));
        BOOST_TEST(result.error().message.find(row.reason) != std::string::npos, result.error().message);
        BOOST_TEST(result.error().message.size() < 600u);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_marker_as_module_h_writes_it) {
    const auto marker = parse("{\"abi\":1,\"module\":\"pkg.name\",\"version\":\"1.0\",\"threading\":\"free\"}\0\0"sv);
    BOOST_REQUIRE(marker.ok());
    BOOST_TEST(marker->module == "pkg.name");
    BOOST_TEST(marker->version == "1.0");
    BOOST_TEST(marker->abi == 1u);
    BOOST_TEST(marker->threading_text == "free");
    BOOST_TEST((marker->threading == ThreadingLevel::free));
    BOOST_TEST(marker->offset == 0x2a8u);
}

BOOST_AUTO_TEST_CASE(every_level) {
    for (auto level : {ThreadingLevel::global_lock, ThreadingLevel::module_lock, ThreadingLevel::free}) {
        const auto marker = parse(R"({"abi":1,"module":"m","threading":")" + std::string(level_name(level)) + "\"}");
        BOOST_REQUIRE(marker.ok());
        BOOST_TEST((marker->threading == level));
    }
}

BOOST_AUTO_TEST_CASE(what_a_later_version_may_add_is_accepted) {
    const auto level = parse(R"({"abi":7,"module":"m","threading":"read_mostly"})");
    BOOST_REQUIRE(level.ok());
    BOOST_TEST(!level->threading.has_value());
    BOOST_TEST(level->threading_text == "read_mostly");
    BOOST_TEST(level->abi == 7u);
    BOOST_TEST(level->version == "");

    for (const char* extra : {R"("x":null)", R"("x":-1.5e3)", R"("x":[1,[true,{"abi":"no"}]])",
                              R"("x":{"module":1,"threading":[],"abi":{}})", R"("x":{"k":1},"y":{"k":1})"}) {
        const auto marker = parse(with_key(extra));
        BOOST_TEST_CONTEXT(extra) {
            BOOST_REQUIRE(marker.ok());
            BOOST_TEST(marker->module == "m");
            BOOST_TEST((marker->threading == ThreadingLevel::free));
        }
    }
}

BOOST_AUTO_TEST_CASE(order_and_space_do_not_matter) {
    const auto marker = parse(" {\n\"threading\" : \"module_lock\", \"module\":\"a_1.B2\",\t\"abi\":1 } ");
    BOOST_REQUIRE(marker.ok());
    BOOST_TEST(marker->module == "a_1.B2");
    BOOST_TEST((marker->threading == ThreadingLevel::module_lock));
}

BOOST_AUTO_TEST_CASE(limits_are_inclusive) {
    BOOST_TEST(parse(with_module(std::string(1000, 'n'))).ok());
    BOOST_TEST(parse(with_key("\"version\":\"" + std::string(1000, 'v') + "\"")).ok());
    BOOST_TEST(parse(R"({"abi":4294967295,"module":"m","threading":"free"})").ok());
    // Sixteen levels: the object itself and fifteen arrays.
    BOOST_TEST(parse(with_key("\"x\":" + std::string(15, '[') + std::string(15, ']'))).ok());
    std::string padded = with_module("m");
    padded.resize(64 << 10, '\0');
    BOOST_TEST(parse(padded).ok());
}

BOOST_AUTO_TEST_CASE(everything_else_is_rejected_with_its_reason) {
    std::string too_long = with_module("m");
    too_long.resize((64 << 10) + 1, '\0');
    const std::string zero_inside = std::string(R"({"abi":1,)") + '\0' + R"("module":"m","threading":"free"})";
    const Bad rows[] = {
        {"", "its description is empty"},
        {std::string(8, '\0'), "its description is empty"},
        {too_long, "its description is over 65536 bytes"},
        // Not JSON, not one object, or more than one.
        {"free", "not valid JSON, at byte 2"},
        {"{", "not valid JSON, at byte 2"},
        {with_module("m") + "x", "not valid JSON"},
        {with_module("m") + with_module("m"), "not valid JSON"},
        {with_module("m") + std::string("\0x", 2), "a zero byte in the middle, at byte 42"},
        {with_module("m") + std::string("\0", 1) + with_module("n"), "a zero byte in the middle, at byte 42"},
        {zero_inside, "a zero byte in the middle, at byte 10"},
        {R"({"abi":1,"module":"m","threading":"free",})", "not valid JSON"},
        {R"({'abi':1})", "not valid JSON"},
        {"/**/" + with_module("m"), "not valid JSON"},
        {"\xef\xbb\xbf" + with_module("m"), "starts with a byte order mark"},
        {with_module("\xff"), "not valid JSON"},
        {with_module("\xc0\xaf"), "not valid JSON"},
        {with_module("a\nb"), "not valid JSON"},
        {with_module("\\ud800"), "not valid JSON"},
        {R"({"abi":1e999,"module":"m","threading":"free"})", "not valid JSON"},
        {"[]", "its description is an array, not an object"},
        {"null", "its description is null, not an object"},
        {"true", "its description is a boolean, not an object"},
        {"1", "its description is a number, not an object"},
        {"-1", "its description is a number, not an object"},
        {"\"free\"", "its description is a string, not an object"},
        {R"([{"abi":1,"module":"m","threading":"free"}])", "its description is an array, not an object"},
        // Missing.
        {"{}", "the key \"abi\" is missing"},
        {R"({"module":"m","threading":"free"})", "the key \"abi\" is missing"},
        {R"({"abi":1,"threading":"free"})", "the key \"module\" is missing"},
        {R"({"abi":1,"module":"m"})", "the key \"threading\" is missing"},
        {R"({"x":{"abi":1},"module":"m","threading":"free"})", "the key \"abi\" is missing"},
        // Twice.
        {R"({"abi":1,"abi":1,"module":"m","threading":"free"})", "the key \"abi\" appears twice"},
        {R"({"abi":1,"module":"m","threading":"free","threading":"global_lock"})",
         "the key \"threading\" appears twice"},
        {R"({"abi":1,"module":"m","threading":"free","\u0061bi":2})", "the key \"abi\" appears twice"},
        {with_key(R"("x":1,"x":2)"), "the key \"x\" appears twice"},
        {with_key(R"("x":{"y":1,"y":2})"), "the key \"y\" appears twice"},
        {with_key(R"("a\nb":1,"a\nb":2)"), "the key \"a\\nb\" appears twice"},
        // Types.
        {R"({"abi":"1","module":"m","threading":"free"})", "\"abi\" is a string, not an integer"},
        {R"({"abi":1.0,"module":"m","threading":"free"})", "\"abi\" is a number out of range or with a fraction"},
        {R"({"abi":18446744073709551616,"module":"m","threading":"free"})", "\"abi\" is a number out of range"},
        {R"({"abi":null,"module":"m","threading":"free"})", "\"abi\" is null, not an integer"},
        {R"({"abi":true,"module":"m","threading":"free"})", "\"abi\" is a boolean, not an integer"},
        {R"({"abi":[1],"module":"m","threading":"free"})", "\"abi\" is an array, not an integer"},
        {R"({"abi":{},"module":"m","threading":"free"})", "\"abi\" is an object, not an integer"},
        {R"({"abi":1,"module":1,"threading":"free"})", "\"module\" is a number, not a string"},
        {R"({"abi":1,"module":null,"threading":"free"})", "\"module\" is null, not a string"},
        {R"({"abi":1,"module":"m","threading":2})", "\"threading\" is a number, not a string"},
        {R"({"abi":1,"module":"m","threading":["free"]})", "\"threading\" is an array, not a string"},
        {R"({"abi":1,"module":"m","threading":{"free":1}})", "\"threading\" is an object, not a string"},
        {with_key(R"("version":1.0)"), "\"version\" is a number out of range or with a fraction, not a string"},
        {with_key(R"("version":null)"), "\"version\" is null, not a string"},
        // Values.
        {R"({"abi":0,"module":"m","threading":"free"})", "\"abi\" is 0, which is no version of the ABI"},
        {R"({"abi":-1,"module":"m","threading":"free"})", "\"abi\" is negative"},
        {R"({"abi":4294967296,"module":"m","threading":"free"})", "\"abi\" is 4294967296"},
        {with_module(""), "the module name '' is empty"},
        {with_module(std::string(1001, 'n')), "is over 1000 bytes long"},
        {with_module("a-b"), "the module name 'a-b' has a character outside [A-Za-z0-9_.]"},
        {with_module("../../etc"), "has a character outside"},
        {with_module("a b"), "has a character outside"},
        {with_module("\\u0000"), "the module name '\\x00' has a character outside"},
        {with_module("n\u00e4me"), "has a character outside"},
        {with_module("."), "has an empty component"},
        {with_module(".a"), "has an empty component"},
        {with_module("a."), "has an empty component"},
        {with_module("a..b"), "has an empty component"},
        {with_key("\"version\":\"" + std::string(1001, 'v') + "\""), "\"version\" is over 1000 bytes long"},
        {with_key(R"("version":"1\u001b[0m")"), "\"version\" is '1\\x1b[0m', which has a control character"},
        {R"({"abi":1,"module":"m","threading":"fr\nee"})", "\"threading\" is 'fr\\nee', which has a control character"},
        {R"({"abi":1,"module":"m","threading":")" + std::string(1001, 't') + "\"}", "\"threading\" is over 1000 bytes"},
        // Depth.
        {with_key("\"x\":" + std::string(16, '[') + std::string(16, ']')), "nested too deeply"},
        {with_key("\"x\":" + std::string(60000, '[')), "nested too deeply"},
    };
    for (const auto& row : rows) check_rejected(row);
}

BOOST_AUTO_TEST_CASE(the_name_of_the_file_is_escaped) {
    const auto result = parse_marker("{}", "a\n'b", 16);
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().message ==
               "'a\\n\\'b' has a malformed Interlock marker at offset 0x10: the key \"abi\" is missing; build the "
               "module again with IL_MODULE of interlock/module.h");
}
