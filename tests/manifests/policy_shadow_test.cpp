// policy_shadow_test.cpp: rules that can never match, and rules that only look so.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <interlock/policy.hpp>

#include "source_files.hpp"

namespace interlock::test {
namespace {

std::string rule(const std::string& match, const std::string& more = "") {
    return " {\"match\": {" + match + "}, \"threading\": \"free\", \"reason\": \"r\"" + more + "}";
}
std::string codes(const std::vector<std::string>& rules) {
    std::string text = "{\"rules\": [";
    for (std::size_t i = 0; i < rules.size(); ++i) text += (i == 0 ? "\n" : ",\n") + rules[i];
    std::string out;
    for (const Diagnostic& d : parse_policy(text + "]}", "p.json", today).diagnostics) {
        out += std::to_string(d.line) + ':' + d.code + ' ';
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(shadowed_rules)

BOOST_AUTO_TEST_CASE(pairs) {
    const std::string hash_a = "\"sha256\": \"" + std::string(64, 'a') + '"';
    const std::string hash_A = "\"sha256\": \"" + std::string(64, 'A') + '"';
    const std::string hash_b = "\"sha256\": \"" + std::string(64, 'b') + '"';
    const struct {
        std::string earlier, later;
        bool shadowed;
    } rows[] = {
        {R"("module": "a")", R"("module": "a")", true},
        {R"("module": "a")", R"("module": "b")", false},
        {R"("module": "*")", R"("module": "b.*")", true},
        {R"("module": "**")", R"("file": "b")", true},
        {R"("file": "*")", R"("module": "b")", true},
        {R"("module": "a.*")", R"("module": "a.b")", true},
        {R"("module": "a.*")", R"("module": "a\\.b")", true},
        {R"("module": "a.*")", R"("module": "a")", false},
        {R"("module": "a.*")", R"("module": "a.b*")", false},  // true, but not claimed: patterns against patterns
        {R"("module": "a.b")", R"("module": "a.*")", false},
        {R"("module": "a")", R"("module": "a", "marker": "free")", true},
        {R"("module": "a", "marker": "free")", R"("module": "a")", false},
        {R"("module": "a", "marker": "free")", R"("module": "a", "marker": "unmarked")", false},
        {R"("marker": "free")", R"("module": "a")", false},
        {hash_a, hash_A, true},
        {hash_a, hash_b, false},
        {hash_a, hash_a + R"(, "module": "a")", true},
        {R"("build_id": "00aabbcc")", R"("build_id": "00AABBCC")", true},
        {R"("file": "*.so")", R"("file": "a.so")", true},
        {R"("file": "*.so")", R"("file": "/opt/a.so")", false},
        {R"("file": "/opt/*")", R"("file": "/opt/a.so")", false},  // paths are normalised before they are matched
        {R"("file": "/opt/*")", R"("file": "/opt/*")", true},
        {R"("file": "lib/a.so")", R"("file": "/lib/a.so")", false},
        {R"("file": "a.so")", R"("module": "a")", false},
    };
    for (const auto& row : rows) {
        BOOST_TEST(codes({rule(row.earlier), rule(row.later)}) == (row.shadowed ? "3:shadowed-rule " : ""),
                   row.earlier << " before " << row.later);
    }
}

BOOST_AUTO_TEST_CASE(message) {
    const auto file = parse_policy(
        "{\"rules\": [\n" + rule("\"module\": \"*\"") + ",\n" + rule("\"module\": \"a\"") + "]}", "p.json", today);
    BOOST_REQUIRE(file.diagnostics.size() == 1);
    BOOST_TEST(
        file.diagnostics[0].text() ==
        "p.json:3:2: warning: the rule for module 'a' never matches: the one for module '*' on line 2 comes first "
        "[shadowed-rule]; move it up, or remove it");
    BOOST_TEST(!has_errors(file.diagnostics));
    BOOST_TEST(error_text(file.diagnostics) == "");
}

BOOST_AUTO_TEST_CASE(expired_rules_take_no_part) {
    const std::string past = ", \"expires\": \"2026-01-01\"", future = ", \"expires\": \"2028-01-01\"";
    const std::string any = "\"module\": \"*\"";
    BOOST_TEST(codes({rule(any, past), rule(any)}) == "2:expired-rule ");
    BOOST_TEST(codes({rule(any), rule(any, past)}) == "3:expired-rule ");
    // The later one comes into its own when the earlier one expires.
    BOOST_TEST(codes({rule(any, future), rule(any)}) == "");
    BOOST_TEST(codes({rule(any, future), rule(any, future)}) == "3:shadowed-rule ");
    BOOST_TEST(codes({rule(any, ", \"expires\": \"2027-12-31\""), rule(any, future)}) == "");
    BOOST_TEST(codes({rule(any), rule(any, future)}) == "3:shadowed-rule ");
}

BOOST_AUTO_TEST_CASE(no_guess_from_wrong_conditions) {
    BOOST_TEST(codes({rule("\"module\": \"[\""), rule("\"module\": \"a\"")}) == "2:bad-glob ");
}

BOOST_AUTO_TEST_CASE(absurd_files_end) {
    std::vector<std::string> rules;
    for (int i = 0; i < 900; ++i)
        rules.push_back(rule("\"module\": \"" + std::string(1000, 'a') + std::to_string(i) + "\""));
    BOOST_TEST(codes(rules) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
