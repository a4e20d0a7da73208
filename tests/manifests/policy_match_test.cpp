// policy_match_test.cpp: which rule speaks for a module.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <interlock/policy.hpp>

#include "source_files.hpp"

namespace interlock::test {
namespace {

PolicyRule rule(std::optional<std::string> module, std::optional<std::string> file = std::nullopt) {
    PolicyRule out;
    out.module = std::move(module);
    out.file = std::move(file);
    return out;
}
PolicySubject subject(std::string module, std::filesystem::path file = "/opt/app/m.so") {
    PolicySubject out;
    out.module = std::move(module);
    out.file = std::move(file);
    return out;
}

BOOST_AUTO_TEST_SUITE(policy_matching)

BOOST_AUTO_TEST_CASE(files) {
    const struct {
        const char *glob, *folder, *file;
        bool matches;
    } rows[] = {
        {"tok.so", "/etc", "/opt/app/tok.so", true},  // without '/': the name
        {"tok*", "/etc", "/opt/tok/x.so", false},
        {"*.so", "/etc", "/opt/app/tok.so", true},
        {"/opt/app/tok.so", "/etc", "/opt/app/tok.so", true},  // absolute
        {"/opt/*", "/etc", "/opt/app/deep/tok.so", true},      // '*' crosses '/'
        {"/opt/app", "/etc", "/opt/app/tok.so", false},
        {"/opt/app/*.so", "/etc", "/opt/app/../other/x.so", false},
        {"plugins/*.so", "/opt/app", "/opt/app/plugins/tok.so", true},  // from the policy's folder
        {"plugins/*.so", "/etc", "/opt/app/plugins/tok.so", false},
        {"./tok.so", "/opt/app", "/opt/app/tok.so", true},
        {"../tok.so", "/opt/app", "/opt/tok.so", true},
        {"../*/x.so", "/opt/app", "/opt/other/x.so", true},
        {"*/tok.so", "/opt", "/opt/app/tok.so", true},
        {"*/tok.so", "/etc", "/opt/app/tok.so", false},
        {"lib/*", "/opt/[a]*", "/opt/[a]*/lib/x.so", true},  // the folder's name is no pattern
        {"lib/*", "/opt/[a]*", "/opt/a/lib/x.so", false},
        {"lib/*", "/", "/lib/x.so", true},
    };
    for (const auto& row : rows) {
        BOOST_TEST(rule_matches(rule(std::nullopt, row.glob), row.folder, subject("m", row.file)) == row.matches,
                   row.glob << " in " << row.folder << " on " << row.file);
    }
}

BOOST_AUTO_TEST_CASE(a_relative_policy_counts_from_the_working_directory) {
    Policy policy;
    policy.path = "p.json";
    policy.rules = {rule(std::nullopt, "lib/*.so")};
    const auto here = std::filesystem::current_path();
    BOOST_TEST(policy.match(subject("m", here / "lib/x.so"), today) == &policy.rules[0]);
    BOOST_TEST(policy.match(subject("m", "/lib/x.so"), today) == nullptr);
}

BOOST_AUTO_TEST_CASE(all_conditions_must_hold) {
    PolicySubject s = subject("legacy.tok");
    s.build_id = "00aabbcc";
    s.marker = MarkerState::free;
    s.sha256 = [] { return std::string(64, 'a'); };
    PolicyRule whole = rule("legacy.*", "m.so");
    whole.build_id = "00aabbcc";
    whole.marker = MarkerState::free;
    whole.sha256 = std::string(64, 'a');
    BOOST_TEST(rule_matches(whole, "/etc", s));
    const auto without = [&](auto change) {
        PolicyRule changed = whole;
        change(changed);
        return rule_matches(changed, "/etc", s);
    };
    BOOST_TEST(!without([](PolicyRule& r) { r.module = "other.*"; }));
    BOOST_TEST(!without([](PolicyRule& r) { r.file = "n.so"; }));
    BOOST_TEST(!without([](PolicyRule& r) { r.build_id = "00aabbcd"; }));
    BOOST_TEST(!without([](PolicyRule& r) { r.marker = MarkerState::unmarked; }));
    BOOST_TEST(!without([](PolicyRule& r) { r.sha256 = std::string(64, 'b'); }));
    BOOST_TEST(!rule_matches(PolicyRule(), "/etc", s));
}

// A library that is no module has no name and no marker; its file can be named.
BOOST_AUTO_TEST_CASE(libraries_that_are_no_modules) {
    PolicySubject library = subject("", "/usr/lib/libx.so.1");
    library.is_module = false;
    library.build_id = "abcd";
    BOOST_TEST(rule_matches(rule(std::nullopt, "libx.so*"), "/etc", library));
    BOOST_TEST(rule_matches(rule(std::nullopt, "/usr/lib/*"), "/etc", library));
    BOOST_TEST(!rule_matches(rule("*"), "/etc", library));
    BOOST_TEST(!rule_matches(rule("*", "libx.so*"), "/etc", library));
    PolicyRule unmarked = rule(std::nullopt, "*");
    unmarked.marker = MarkerState::unmarked;
    BOOST_TEST(!rule_matches(unmarked, "/etc", library));
    PolicyRule build = rule(std::nullopt);
    build.build_id = "abcd";
    BOOST_TEST(rule_matches(build, "/etc", library));
    library.is_module = true;
    BOOST_TEST(rule_matches(unmarked, "/etc", library));
}

BOOST_AUTO_TEST_CASE(first_match_wins_and_expired_rules_are_skipped) {
    using namespace std::chrono_literals;
    Policy policy;
    policy.rules = {rule("legacy.tok"), rule("legacy.*"), rule("*")};
    policy.rules[0].expires = 2027y / 1 / 15;
    const auto line = [&](const char* module, std::chrono::year_month_day day) {
        return policy.match(subject(module), day) - policy.rules.data();
    };
    BOOST_TEST(line("legacy.tok", 2027y / 1 / 15) == 0);
    BOOST_TEST(line("legacy.tok", 2027y / 1 / 16) == 1);
    BOOST_TEST(line("legacy.b", 2027y / 1 / 15) == 1);
    BOOST_TEST(line("b", 2027y / 1 / 15) == 2);
    policy.rules.pop_back();
    BOOST_TEST(policy.match(subject("b"), today) == nullptr);
    BOOST_TEST(rule_matches(policy.rules[0], "/", subject("legacy.tok")));  // whatever its date
}

BOOST_AUTO_TEST_CASE(the_hash_is_computed_once_and_only_when_needed) {
    Policy policy;
    policy.rules = {rule("other"), rule("m"), rule("*"), rule("m")};
    for (auto& r : policy.rules) r.sha256 = std::string(64, 'b');
    int calls = 0;
    PolicySubject s = subject("m");
    s.sha256 = [&] {
        ++calls;
        return std::string(64, 'a');
    };
    BOOST_TEST(policy.match(s, today) == nullptr);
    BOOST_TEST(calls == 1);
    policy.rules.resize(1);
    BOOST_TEST(policy.match(s, today) == nullptr);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(an_unreadable_file_has_no_hash) {
    PolicyRule r = rule("m");
    r.sha256 = std::string(64, 'a');
    PolicySubject s = subject("m");
    BOOST_TEST(!rule_matches(r, "/", s));
    s.sha256 = [] { return std::string(); };
    BOOST_TEST(!rule_matches(r, "/", s));
    r.sha256 = "";
    BOOST_TEST(!rule_matches(r, "/", s));
}

BOOST_AUTO_TEST_CASE(counting) {
    using namespace std::chrono_literals;
    Policy policy;
    policy.rules = {rule("a.*"), rule("a.b"), rule("b.*"), rule("*.c"), rule("nothing")};
    policy.rules[2].expires = 2026y / 12 / 31;
    const std::vector<PolicySubject> subjects = {subject("a.b"), subject("a.c"), subject("b.c"), subject("d")};
    const auto uses = count_rule_matches(policy, subjects, today);
    const std::size_t expected[] = {2, 0, 0, 1, 0};
    BOOST_REQUIRE(uses.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        BOOST_TEST(uses[i].rule == &policy.rules[i]);
        BOOST_TEST(uses[i].matches == expected[i], "rule " << i);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
