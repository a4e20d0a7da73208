// Scopes for results inside a call, and the log for threads that have no call.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_scope
#include <boost/test/unit_test.hpp>

#include "children.hpp"
#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

std::size_t destroyed() { return Events::all().count("destroy"); }

std::string failure_of(const Module& module, const char* function) {
    const auto result = module.function(function).value()({});
    return result ? "no failure" : result.error().message;
}

const PolicyAction levels[] = {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock};

LabOptions under(PolicyAction level) {
    return {.change = [level](LoaderOptions& options) { options.overrides = {{"scopes", level}, {"values", level}}; }};
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_a_scope_holds_goes_with_it_and_not_with_the_call) {
    for (const PolicyAction level : levels) {
        Lab lab(under(level));
        const Module scopes = lab.import("scopes");
        std::vector<std::size_t> gone;
        Events::all().on("after one", [&] {
            gone.push_back(destroyed());
            return 0;
        });
        // What was allocated before lives on.
        BOOST_TEST(scopes.function("many").value()({4}).value().get<std::int64_t>() == 0 + 1 + 2 + 3);
        BOOST_TEST(gone == (std::vector<std::size_t>{1, 2, 3, 4}), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(scopes_that_are_left_open) {
    for (const PolicyAction level : levels) {
        Lab lab(under(level));
        const Module scopes = lab.import("scopes");
        BOOST_TEST(failure_of(scopes, "open_one") ==
                   "scopes.open_one: the function returned between il_scope_begin and il_scope_end");
        BOOST_TEST(failure_of(scopes, "open_two_and_fail") ==
                   "scopes.open_two_and_fail: module 'values' has no function 'no such function'");
        BOOST_TEST(destroyed() == 1u);
        BOOST_TEST(failure_of(scopes, "fail_in_one") ==
                   "scopes.fail_in_one: module 'values' has no function 'no such function'");
        BOOST_TEST(failure_of(scopes, "throw_in_one") ==
                   "scopes.throw_in_one: an exception of unknown type left the function");
        BOOST_TEST(scopes.function("many").value()({1}).ok());
    }
}

BOOST_AUTO_TEST_CASE(scopes_that_are_ended_in_the_wrong_order_end_the_process) {
    Lab lab;
    const Module scopes = lab.import("scopes");
    const Death death = death_of([&] { failure_of(scopes, "wrong_order"); });
    BOOST_TEST(death.aborted);
    BOOST_TEST(death.said ==
               "interlock: fatal: function 'wrong_order' of module 'scopes' ended a scope that is not its "
               "innermost one\n");
}

BOOST_AUTO_TEST_CASE(a_thread_without_a_call_writes_to_the_log) {
    Texts lines;
    Lab lab({.change = [&](LoaderOptions& options) {
        options.on_log = [&](il_log_level level, std::string_view module, std::string_view text) {
            lines.push_back(std::to_string(level) + ' ' + std::string(module) + ": " + std::string(text));
        };
    }});
    BOOST_TEST(lab.import("scopes").function("log_elsewhere").value()({}).ok());
    BOOST_TEST(lines == (Texts{"2 scopes: from thread 2"}), boost::test_tools::per_element());
}
