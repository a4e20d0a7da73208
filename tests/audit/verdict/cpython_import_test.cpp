// cpython_import.cpp: what an import by CPython will do, from what the audit says of a module, and of those that make
// others.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_cpython_import
#include <boost/test/unit_test.hpp>

#include <map>
#include <string>
#include <vector>

#include "audit/cpython_import.hpp"

namespace interlock {
std::ostream& boost_test_print_type(std::ostream& out, PolicyAction action) { return out << action_name(action); }
}  // namespace interlock

using namespace interlock;
using namespace interlock::auditing;

namespace {

ExtensionModule module_with(Verdict verdict, Effect effect, const std::string& made_by = "") {
    ExtensionModule module;
    module.verdict = verdict;
    module.effect = effect;
    module.effect_why = "effect";
    module.reason = "reason";
    module.delegated_to = made_by;
    return module;
}

ImportDecision decide(const ExtensionModule& module, const ImportSettings& settings = {},
                      const std::string& name = "m") {
    return decide_import(settings, name, "/m.so", std::make_shared<const ExtensionModule>(module), "");
}

/// "action by source: text of the one that decided"
std::string in_short(const ImportDecision& decision) {
    std::string text =
        std::string(action_name(decision.action)) + " by " + std::string(source_name(decision.source)) + ":";
    for (const Reason& reason : decision.why)
        if (reason.decided) text += " " + reason.text;
    return text;
}

/// Modules that make each other: name, and by whom; those that no one makes are as `end`.
struct World {
    std::map<std::string, std::string> makers;
    ExtensionModule end;
    ImportSettings settings{};
    std::vector<std::string> searched{};

    ImportDecision alone(const std::string& name) {
        const std::string& maker = makers.at(name);
        return decide(maker.empty() ? end : module_with(Verdict::delegated, Effect::unknown, maker), settings, name);
    }
    ImportDecision about(const std::string& name) {
        ImportDecision decision = alone(name);
        follow_delegation(decision, [&](const std::string& maker) -> std::optional<MakerModule> {
            searched.push_back(maker);
            if (!makers.contains(maker)) return std::nullopt;
            return MakerModule{maker + " (file)", alone(maker)};
        });
        return decision;
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_the_audit_saw_decides) {
    struct Row {
        Verdict verdict;
        Effect effect;
        std::string decision;
    };
    const Row rows[] = {
        {Verdict::free, Effect::keeps_gil_off, "free by marker: reason"},
        {Verdict::global_lock, Effect::turns_gil_on, "global_lock by marker: reason"},
        {Verdict::unmarked, Effect::turns_gil_on, "global_lock by default: a module that says nothing needs the GIL"},
        {Verdict::undetermined, Effect::unknown,
         "interpreter by default: what it does is not known, so the interpreter decides"},
        {Verdict::delegated, Effect::unknown,
         "interpreter by default: what it does is not known, so the interpreter decides"},
        {Verdict::not_applicable, Effect::crashes, "refuse by abi: effect"},
        {Verdict::not_applicable, Effect::cannot_load, "refuse by abi: effect"},
        {Verdict::not_applicable, Effect::unknown,
         "interpreter by default: what it does is not known, so the interpreter decides"},
    };
    for (const Row& row : rows) BOOST_TEST(in_short(decide(module_with(row.verdict, row.effect))) == row.decision);
    ExtensionModule weak = module_with(Verdict::free, Effect::keeps_gil_off);
    weak.confidence = Confidence::weak;
    BOOST_TEST(decide(weak).action == PolicyAction::interpreter);
    const ImportDecision unknown = decide_import({}, "m", std::nullopt, nullptr, "no file");
    BOOST_TEST(in_short(unknown) ==
               "interpreter by default: nothing is known of the module, so the interpreter decides");
    BOOST_REQUIRE(unknown.why.size() == 2u);
    BOOST_TEST(unknown.why[0].text == "no file");
    BOOST_TEST(unknown.module == nullptr);
}

BOOST_AUTO_TEST_CASE(who_is_made_by_another_takes_over_what_that_one_says) {
    World world{{{"a", "b"}, {"b", ""}}, module_with(Verdict::free, Effect::keeps_gil_off)};
    const ImportDecision decision = world.about("a");
    BOOST_TEST(in_short(decision) == "free by marker: its module is made by b (file), which says: reason");
    BOOST_REQUIRE(decision.why.size() == 3u);
    BOOST_TEST(!decision.why[1].decided);  // the default that it had
    BOOST_TEST((decision.module->verdict == Verdict::delegated));
    BOOST_TEST(world.about("b").action == PolicyAction::free);
    world.end = module_with(Verdict::global_lock, Effect::turns_gil_on);
    BOOST_TEST(world.about("a").action == PolicyAction::global_lock);
    // Whatever it is that decides about the other one.
    world.settings.overrides = {{"b", PolicyAction::free}};
    BOOST_TEST(world.about("a").action == PolicyAction::free);
    world.settings.overrides = {{"b", PolicyAction::refuse}};
    BOOST_TEST(world.about("a").action == PolicyAction::global_lock);
    // Who has a decision asks nobody.
    world.settings.overrides = {{"a", PolicyAction::refuse}};
    world.searched.clear();
    BOOST_TEST(in_short(world.about("a")) == "refuse by override: an override says refuse");
    BOOST_TEST(world.searched.empty());
}

BOOST_AUTO_TEST_CASE(a_chain_is_followed_to_its_end) {
    World world{{{"a", "b"}, {"b", "c"}, {"c", ""}}, module_with(Verdict::unmarked, Effect::turns_gil_on)};
    BOOST_TEST(in_short(world.about("a")) ==
               "global_lock by marker: its module is made by b (file), which says: reason");
    BOOST_TEST(world.searched.size() == 2u);
}

BOOST_AUTO_TEST_CASE(where_nobody_decides_the_interpreter_does) {
    const std::string left = "interpreter by default: what it does is not known, so the interpreter decides";
    World world{{{"a", "b"}, {"b", "a"}, {"c", "d"}, {"e", "f"}, {"f", ""}, {"g", "g"}},
                module_with(Verdict::undetermined, Effect::unknown)};
    for (const char* name : {"a", "b", "c", "e", "f", "g"}) {
        const ImportDecision decision = world.about(name);
        BOOST_TEST(in_short(decision) == left);
        BOOST_TEST(decision.why.size() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(who_cannot_be_asked_says_so) {
    struct Interrupted {};
    ImportDecision decision = decide(module_with(Verdict::delegated, Effect::unknown, "b"));
    const auto find = [](const std::string&) -> std::optional<MakerModule> { throw Interrupted(); };
    BOOST_CHECK_THROW(follow_delegation(decision, find), Interrupted);
    BOOST_TEST(decision.action == PolicyAction::interpreter);
}
