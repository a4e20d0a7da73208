// decide.cpp: the decision about an import, from facts alone: who is asked in which order, and in which words the two
// hosts put it.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include "manifests/decide.hpp"

namespace interlock::test {
namespace {

using manifests::decide;
using manifests::DecisionFacts;
using manifests::Host;
using manifests::Seen;
using manifests::Statement;
using Texts = std::vector<std::string>;

/// "source: says (decided): text", or "source: -: text" for one without a say; the first line is what was decided.
Texts lines(const Decision& decision) {
    Texts lines{std::string(action_name(decision.action)) + " by " + std::string(source_name(decision.source))};
    for (const Reason& reason : decision.why)
        lines.push_back(std::string(source_name(reason.source)) + ": " +
                        (reason.says ? std::string(action_name(*reason.says)) : "-") +
                        (reason.decided ? " (decided): " : ": ") + reason.text);
    return lines;
}

/// A policy with one rule, which says `threading`.
Policy policy_with(PolicyAction threading) {
    Policy policy;
    policy.path = "p.json";
    PolicyRule rule;
    rule.module = "m";
    rule.threading = threading;
    rule.reason = "tried\nit";
    rule.line = 7;
    policy.rules = {rule};
    return policy;
}

DecisionFacts facts_of(Host host, std::optional<PolicyAction> marker) {
    DecisionFacts facts;
    facts.host = host;
    facts.marker = {marker, "M"};
    return facts;
}

#define CHECK_DECISION(facts, ...) \
    BOOST_TEST(lines(decide(facts)) == (Texts{__VA_ARGS__}), boost::test_tools::per_element())

}  // namespace

BOOST_AUTO_TEST_SUITE(decisions)

BOOST_AUTO_TEST_CASE(each_source_counts_more_than_those_behind_it) {
    const Policy policy = policy_with(PolicyAction::module_lock);
    DecisionFacts facts = facts_of(Host::loader, PolicyAction::free);
    facts.override_ = PolicyAction::refuse;
    facts.policy = &policy;
    facts.rule = &policy.rules.front();
    facts.libraries = {"L"};
    facts.manifest = Statement{PolicyAction::module_lock, "F"};
    const Texts all{"override: refuse: an override says refuse",
                    "policy: module_lock: p.json:7: the rule for module 'm' says module_lock, because: tried\\nit",
                    "library: global_lock: L",
                    "marker: free: M",
                    "manifest: module_lock: F",
                    "default: global_lock: a module that says nothing needs the global lock"};
    const auto check = [&](std::size_t first, const std::string& decided) {
        Texts expected(all.begin() + static_cast<std::ptrdiff_t>(first), all.end());
        expected.front().insert(expected.front().find(": ", expected.front().find(": ") + 1), " (decided)");
        expected.insert(expected.begin(), decided);
        BOOST_TEST(lines(decide(facts)) == expected, boost::test_tools::per_element());
    };
    check(0, "refuse by override");
    facts.override_.reset();
    check(1, "module_lock by policy");
    facts.rule = nullptr;
    check(2, "global_lock by library");
    facts.libraries.clear();
    check(3, "free by marker");
    facts.marker = {std::nullopt, "no marker"};
    CHECK_DECISION(facts, "module_lock by manifest", "marker: -: no marker", "manifest: module_lock (decided): F",
                   "default: global_lock: a module that says nothing needs the global lock");
    facts.manifest = Statement{std::nullopt, "ignored"};
    CHECK_DECISION(facts, "global_lock by default", "marker: -: no marker", "manifest: -: ignored",
                   "default: global_lock (decided): a module that says nothing needs the global lock");
}

BOOST_AUTO_TEST_CASE(who_needs_the_lock_by_himself_is_asked_before_his_libraries) {
    DecisionFacts facts = facts_of(Host::loader, PolicyAction::global_lock);
    facts.libraries = {"L"};
    CHECK_DECISION(facts, "global_lock by marker", "marker: global_lock (decided): M", "library: global_lock: L",
                   "default: global_lock: a module that says nothing needs the global lock");
}

BOOST_AUTO_TEST_CASE(of_many_libraries_ten_are_named) {
    DecisionFacts facts = facts_of(Host::loader, std::nullopt);
    facts.libraries.assign(10, "L");
    BOOST_TEST(decide(facts).why.size() == 12u);
    facts.libraries.resize(13, "L");
    const Decision decision = decide(facts);
    BOOST_REQUIRE(decision.why.size() == 13u);
    BOOST_TEST(decision.why[10].text == "and 3 other libraries");
    BOOST_TEST(!decision.why[10].decided);
}

BOOST_AUTO_TEST_CASE(rules_that_have_expired_are_named_and_have_no_say) {
    Policy policy = policy_with(PolicyAction::free);
    policy.path.clear();
    DecisionFacts facts = facts_of(Host::loader, PolicyAction::free);
    facts.policy = &policy;
    facts.expired = {&policy.rules.front()};
    CHECK_DECISION(
        facts, "free by marker", "policy: -: the policy: the rule for module 'm' has expired, so it does not count",
        "marker: free (decided): M", "default: global_lock: a module that says nothing needs the global lock");
}

BOOST_AUTO_TEST_CASE(the_default_of_a_policy) {
    Policy policy;
    policy.default_unmarked = PolicyAction::free;
    DecisionFacts facts = facts_of(Host::loader, std::nullopt);
    facts.policy = &policy;
    CHECK_DECISION(facts, "free by default", "marker: -: M",
                   "default: free (decided): the policy's default for unmarked modules is free");
    facts.host = Host::cpython;
    CHECK_DECISION(facts, "free by default", "marker: -: M",
                   "default: free (decided): the policy's default for unmarked modules");
    // It is for those of which it is known that they say nothing.
    facts.seen = Seen::not_what_it_does;
    CHECK_DECISION(facts, "interpreter by default", "marker: -: M",
                   "default: interpreter (decided): what it does is not known, so the interpreter decides");
}

BOOST_AUTO_TEST_CASE(for_cpython) {
    CHECK_DECISION(facts_of(Host::cpython, PolicyAction::free), "free by marker", "marker: free (decided): M");
    CHECK_DECISION(facts_of(Host::cpython, std::nullopt), "global_lock by default", "marker: -: M",
                   "default: global_lock (decided): a module that says nothing needs the GIL");
    DecisionFacts facts = facts_of(Host::cpython, std::nullopt);
    facts.seen = Seen::nothing;
    CHECK_DECISION(facts, "interpreter by default", "marker: -: M",
                   "default: interpreter (decided): nothing is known of the module, so the interpreter decides");
    facts.override_ = PolicyAction::free;
    CHECK_DECISION(facts, "free by override", "override: free (decided): an override says free", "marker: -: M",
                   "default: interpreter: nothing is known of the module, so the interpreter decides");
}

BOOST_AUTO_TEST_CASE(no_rule_makes_a_file_fit_that_is_for_another_interpreter) {
    const Policy policy = policy_with(PolicyAction::free);
    DecisionFacts facts = facts_of(Host::cpython, PolicyAction::free);
    facts.unfit = "another layout";
    facts.override_ = PolicyAction::free;
    facts.policy = &policy;
    facts.rule = &policy.rules.front();
    CHECK_DECISION(facts, "refuse by abi", "abi: refuse (decided): another layout",
                   "override: free: an override says free",
                   "policy: free: p.json:7: the rule for module 'm' says free, because: tried\\nit");
}

BOOST_AUTO_TEST_CASE(what_is_known_only_later_overrules_the_rest) {
    Decision decision = decide(facts_of(Host::cpython, std::nullopt));
    decision.overrule(DecisionSource::marker, PolicyAction::free, manifests::said_by_maker("b", "it is marked"));
    BOOST_TEST(lines(decision) == (Texts{"free by marker", "marker: -: M",
                                         "default: global_lock: a module that says nothing needs the GIL",
                                         "marker: free (decided): its module is made by b, which says: it is marked"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_interpreters_say_is_no_word_of_policies) {
    BOOST_TEST(action_name(PolicyAction::interpreter) == "interpreter");
    BOOST_TEST(!policy_action_from_name("interpreter").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace interlock::test
