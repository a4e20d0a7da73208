// policy_test.cpp: parsing of policies: the values, the exact messages, the limits, reading and writing. That each
// single defect is found at its place is the business of corpus.cpp.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <interlock/policy.hpp>

#include "manifests/json_source.hpp"
#include "source_files.hpp"
#include "support/temporary_folder.hpp"

namespace interlock::test {
namespace {

std::string all_text(const Diagnostics& diagnostics) {
    std::string out;
    for (const Diagnostic& d : diagnostics) out += d.text() + '\n';
    return out;
}
std::string findings(std::string_view text) { return all_text(parse_policy(text, "p.json", today).diagnostics); }

BOOST_AUTO_TEST_SUITE(policies)

BOOST_AUTO_TEST_CASE(values) {
    const auto file = parse_policy(R"({"version": 1,
 "rules": [
   {"match": {"module": "legacy.*", "file": "*.so", "build_id": "00AABBCC", "marker": "unmarked"},
    "threading": "module_lock", "reason": "static parser state", "expires": "2027-06-30"},
   {"match": {"module": "untrusted"}, "threading": "refuse", "reason": "not reviewed"}],
 "default": {"unmarked": "refuse"},
 "warnings": ["ignore:fallback:legacy.*", "error"]})",
                                   "folder/p.json", today);
    BOOST_TEST(file.diagnostics.empty(), all_text(file.diagnostics));
    const Policy& policy = file.policy;
    BOOST_TEST(policy.path == "folder/p.json");
    BOOST_REQUIRE(policy.rules.size() == 2);
    const PolicyRule& first = policy.rules[0];
    BOOST_TEST(first.module.value() == "legacy.*");
    BOOST_TEST(first.file.value() == "*.so");
    BOOST_TEST(first.build_id.value() == "00aabbcc");
    BOOST_TEST(!first.sha256.has_value());
    BOOST_TEST((first.marker == MarkerState::unmarked));
    BOOST_TEST((first.threading == PolicyAction::module_lock));
    BOOST_TEST(first.reason == "static parser state");
    using namespace std::chrono_literals;
    BOOST_TEST((first.expires == 2027y / 6 / 30));
    BOOST_TEST(first.line == 3);
    BOOST_TEST(first.column == 4);
    BOOST_TEST((policy.rules[1].threading == PolicyAction::refuse));
    BOOST_TEST(!policy.rules[1].expires.has_value());
    BOOST_TEST(policy.rules[1].line == 5);
    BOOST_TEST((policy.default_unmarked == PolicyAction::refuse));
    BOOST_REQUIRE(policy.warnings.size() == 2);
    BOOST_TEST((policy.warnings[0].action == WarningAction::ignore));
    BOOST_TEST(policy.warnings[0].module == "legacy.*");
}

BOOST_AUTO_TEST_CASE(a_wrong_file_is_not_loaded) {
    const TemporaryFolder folder;
    const auto load_error = [&](const std::filesystem::path& file) {
        const Result<Policy> policy = load_policy(file);
        BOOST_REQUIRE(!policy.ok());
        return policy.error();
    };
    const auto typo = folder.write("typo.json", R"({"rules": [
  {"match": {"module": "x"}, "threading": "refused", "reason": "r"},
  {"match": {"module": "x"}, "threading": "free"}]})");
    const Error error = load_error(typo);
    BOOST_TEST((error.code == Errc::invalid_policy));
    const std::string begin = "the policy '" + typo + "' is wrong, so it is not used:\n";
    BOOST_TEST(error.message == begin + error_text(read_policy(typo, today_utc()).value().diagnostics));
    BOOST_TEST((load_error(folder.path() / "none.json").code == Errc::not_found));
    BOOST_TEST((load_error(folder.path()).code == Errc::unreadable));

    const auto good = folder.write("good.json", R"({"rules": [{"match": {"module": "x"}, "threading": "free",
  "reason": "r", "expires": "2001-01-01"}]})");
    const Policy policy = load_policy(good).value();
    BOOST_TEST(policy.rules.size() == 1u);
    BOOST_TEST(policy.path == good);
    BOOST_REQUIRE(policy.findings.size() == 1u);
    BOOST_TEST(policy.findings[0].code == "expired-rule");
}

BOOST_AUTO_TEST_CASE(every_problem_is_reported) {
    BOOST_TEST(findings(R"({"rules": [
  {"match": {"modul": "a", "file": "["}, "treading": "free", "reason": " "},
  {"match": {}, "threading": "module-lock", "reason": 1, "reason": "x", "expires": "2027-02-30"},
  7],
 "default": {"unmarked": 1},
 "warnings": ["ingore", null]})") ==
               R"(p.json:2:3: error: a rule lacks 'threading' [missing-key]; free, module_lock, global_lock or refuse
p.json:2:14: error: unknown key 'modul' in 'match' [unknown-key]; did you mean 'module'?
p.json:2:37: error: bad pattern '[': '[' without a ']' behind it [bad-glob]; close it, or write \[ for the character itself
p.json:2:42: error: unknown key 'treading' in a rule [unknown-key]; did you mean 'threading'?
p.json:2:72: error: 'reason' is empty [empty-value]
p.json:3:13: error: 'match' has no condition [empty-match]; to match every module, write {"module": "*"}
p.json:3:30: error: unknown 'threading' 'module-lock' [unknown-word]; did you mean 'module_lock'?
p.json:3:55: error: 'reason' must be a string, not a number [wrong-type]
p.json:3:58: error: key 'reason' appears twice in one object; first on line 3 [duplicate-key]; remove one of them
p.json:3:84: error: '2027-02-30' is not a date [bad-date]; write an existing day as YYYY-MM-DD
p.json:4:3: error: a rule must be an object, not a number [wrong-type]
p.json:5:26: error: 'unmarked' must be a string, not a number [wrong-type]
p.json:6:16: error: warning filter 'ingore': unknown action 'ingore' [bad-filter]; did you mean 'ignore'?
p.json:6:25: error: an item of 'warnings' must be a string, not null [wrong-type]
)");
}

BOOST_AUTO_TEST_CASE(another_version_is_not_looked_at) {
    BOOST_TEST(findings(R"({"rule": 1, "version": 2})") ==
               "p.json:1:24: error: the file is written for version 2 of the format [unknown-version]; this interlock "
               "knows version 1\n");
    BOOST_TEST(findings(R"({"version": 99999999999999999999})") ==
               "p.json:1:13: error: the file is written for version 99999999999999999999 of the format "
               "[unknown-version]; this interlock knows version 1\n");
    BOOST_TEST(findings(R"({"version": 1.50})") ==
               "p.json:1:13: error: 'version' must be a whole number, not 1.50 [wrong-type]\n");
}

BOOST_AUTO_TEST_CASE(syntax_messages) {
    BOOST_TEST(findings("") ==
               "p.json:1:1: error: not JSON: syntax error while parsing value - unexpected end of input; "
               "expected '[', '{', or a literal [syntax]\n");
    BOOST_TEST(findings("{\"a\" 1}") ==
               "p.json:1:6: error: not JSON: syntax error while parsing object separator - "
               "unexpected number literal; expected ':' [syntax]\n");
    BOOST_TEST(findings("{}\n\xff") ==
               "p.json:2:1: error: not JSON: syntax error while parsing value - invalid literal; "
               "last read: '{}<U+000A>\\xff'; expected end of input [syntax]\n");
}

BOOST_AUTO_TEST_CASE(values_are_escaped) {
    BOOST_TEST(
        findings("{\"a\\u001b[2J\": 1}") ==
        "p.json:1:2: error: unknown key 'a\\x1b[2J' in the policy [unknown-key]; known: $schema, version, rules, "
        "default, warnings\n");
    const auto file = parse_policy("[]", "a\nb.json", today);
    BOOST_TEST(all_text(file.diagnostics) ==
               "a\\nb.json:1:1: error: the policy must be an object, not an array [wrong-type]\n");
}

BOOST_AUTO_TEST_CASE(limits) {
    const std::size_t size = manifests::max_json_size, values = manifests::max_json_values;
    const auto code = [](const std::string& text) {
        const auto file = parse_policy(text, "p.json", today);
        return file.diagnostics.empty() ? "" : file.diagnostics[0].code;
    };
    BOOST_TEST(code("{}" + std::string(size - 2, ' ')) == "");
    BOOST_TEST(code("{}" + std::string(size - 1, ' ')) == "too-large");

    const auto list = [](std::size_t count) {
        std::string text = "{\"warnings\": [";
        for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "0" : ",0";
        return text + "]}";
    };
    BOOST_TEST(code(list(values - 2)) == "wrong-type");
    BOOST_TEST(code(list(values - 1)) == "too-large");

    const auto nested = [](std::size_t depth) {
        return "{\"rules\": " + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
    };
    BOOST_TEST(code(nested(manifests::max_json_depth)) == "wrong-type");
    BOOST_TEST(code(nested(manifests::max_json_depth + 1)) == "too-deep");
    BOOST_TEST(code(std::string(size, '[')) == "too-deep");
    BOOST_TEST(code("{\"a\":" + std::string(100'000, '{')) == "syntax");
}

BOOST_AUTO_TEST_CASE(only_the_last_day_counts) {
    const auto with = [](const std::string& day) {
        return findings(
            "{\"rules\": [\n {\"match\": {\"module\": \"a\"}, \"threading\": \"free\", \"reason\": \"r\", "
            "\"expires\": \"" +
            day + "\"}]}");
    };
    BOOST_TEST(with("2027-01-15") == "");
    BOOST_TEST(with("2027-01-14") ==
               "p.json:2:2: warning: the rule for module 'a' expired on 2027-01-14 and matches nothing any more "
               "[expired-rule]; remove it, or extend it with a new reason\n");
    BOOST_TEST(with("0001-01-01").find("expired on 0001-01-01") != std::string::npos);
    BOOST_TEST(with("9999-12-31") == "");
}

BOOST_AUTO_TEST_CASE(reading) {
    const TemporaryFolder folder;
    const auto path = folder.write("p.json", R"({"default": {"unmarked": "free"}})");
    const auto file = read_policy(path, today).value();
    BOOST_TEST(file.policy.path == path);
    BOOST_TEST((file.policy.default_unmarked == PolicyAction::free));
    BOOST_TEST((read_policy(folder.path() / "absent", today).error().code == Errc::not_found));
    BOOST_TEST((read_policy(folder.path(), today).error().code == Errc::unreadable));
    BOOST_TEST((read_policy("/dev/null", today).error().code == Errc::unreadable));
    BOOST_TEST(read_policy(folder.path(), today).error().message ==
               "cannot read '" + folder.path().string() + "': it is a directory");
    BOOST_TEST((read_policy(std::filesystem::path(std::string("a\0b", 3)), today).error().code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_rule_as_text) {
    PolicyRule rule;
    rule.module = "legacy.*";
    rule.threading = PolicyAction::module_lock;
    rule.reason = "say \"why\"";
    BOOST_TEST(to_json_text(rule) ==
               R"({"match": {"module": "legacy.*"}, "threading": "module_lock", "reason": "say \"why\""})");
    BOOST_TEST(describe(rule) == "module 'legacy.*'");
    rule.file = "*.so";
    rule.sha256 = std::string(64, 'a');
    rule.build_id = "00aabbcc";
    rule.marker = MarkerState::unmarked;
    using namespace std::chrono_literals;
    rule.expires = 2027y / 2 / 3;
    BOOST_TEST(describe(rule) == "module 'legacy.*', file '*.so', sha256 '" + std::string(64, 'a') +
                                     "', build_id '00aabbcc', marker unmarked");
    BOOST_TEST(findings("{\"rules\": [" + to_json_text(rule) + "]}") == "");
    const auto again = parse_policy("{\"rules\": [" + to_json_text(rule) + "]}", "p", today).policy.rules.at(0);
    BOOST_TEST(to_json_text(again) == to_json_text(rule));
}

BOOST_AUTO_TEST_CASE(names) {
    for (const char* name : {"global_lock", "module_lock", "free", "refuse"}) {
        BOOST_TEST(action_name(policy_action_from_name(name).value()) == name);
    }
    BOOST_TEST(!policy_action_from_name("unmarked").has_value());
    BOOST_TEST(marker_state_name(MarkerState::unmarked) == "unmarked");
    BOOST_TEST(marker_state_name(MarkerState::free) == "free");
    for (const char* name : {"global_lock", "module_lock", "free"}) {  // one spelling and value everywhere
        BOOST_TEST(static_cast<int>(policy_action_from_name(name).value()) ==
                   static_cast<int>(level_from_name(name).value()));
    }
}

BOOST_AUTO_TEST_CASE(today_is_a_day) {
    BOOST_TEST(today_utc().ok());
    BOOST_TEST((today_utc() >
                std::chrono::year_month_day(std::chrono::year(2024), std::chrono::month(1), std::chrono::day(1))));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
