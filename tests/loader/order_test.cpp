// The order of events in one import, seen from constructors: the switch comes before the first line of the module's
// code, and what fails or is refused leaves nothing behind.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_order
#include <boost/test/unit_test.hpp>

#include "lab.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

Texts told() { return Events::all().told(); }

WarningFilter filter(const char* text) { return parse_warning_filter(text).value(); }

}  // namespace

BOOST_AUTO_TEST_CASE(constructors_of_an_unmarked_library_run_under_the_lock) {
    Lab lab;
    lab.import("unm1");
    BOOST_TEST(told() == (Texts{"unm1:constructor locked", "unm1:exec locked"}), boost::test_tools::per_element());
    BOOST_TEST(lab.loader.unload("unm1").ok());
    BOOST_TEST(told() == (Texts{"unm1:constructor locked", "unm1:exec locked", "unm1:teardown locked",
                                "unm1:destructor locked"}),
               boost::test_tools::per_element());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(constructors_of_others_run_in_parallel_mode) {
    Lab lab;
    for (const std::string name : {"free1", "lock1"}) {
        lab.import(name);
        BOOST_TEST(lab.loader.unload(name).ok());
    }
    BOOST_TEST(told() == (Texts{"free1:constructor parallel", "free1:exec parallel", "free1:teardown parallel",
                                "free1:destructor parallel", "lock1:constructor parallel", "lock1:exec parallel",
                                "lock1:teardown parallel", "lock1:destructor parallel"}),
               boost::test_tools::per_element());
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
}

BOOST_AUTO_TEST_CASE(nobody_else_is_attached_while_a_constructor_runs) {
    Lab lab;
    std::atomic<bool> stop{false};
    std::atomic<int> inside{0}, seen{0};
    Event attached;
    Threads threads;
    threads.start([&] {
        const Attached guard;
        attached.set();
        while (!stop.load()) {
            inside.store(1);
            inside.store(0);
            safe_point();
        }
    });
    attached.wait();
    Events::all().on("unm1:constructor", [&] {
        for (int i = 0; i < 1000; ++i) seen += inside.load();
        return 0;
    });
    lab.import("unm1");
    stop = true;
    threads.join();
    BOOST_TEST(seen.load() == 0);
}

BOOST_AUTO_TEST_CASE(what_is_refused_is_never_mapped) {
    Lab lab({.change = [](LoaderOptions& options) { options.overrides = {{"unm1", PolicyAction::refuse}}; }});
    BOOST_TEST((lab.failure("unm1") == Errc::refused));
    BOOST_TEST(told().empty());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
    BOOST_TEST(lab.warnings().empty());
    BOOST_TEST(lab.loader.report().fallbacks.empty());
}

BOOST_AUTO_TEST_CASE(a_warning_that_is_an_error_refuses_the_import_before_the_switch) {
    Lab lab({.change = [](LoaderOptions& options) { options.filters = {filter("error")}; }});
    const auto refused = lab.loader.import("unm1", {.importer = "the test"});
    BOOST_REQUIRE(!refused.ok());
    BOOST_TEST((refused.error().code == Errc::warning_as_error));
    BOOST_TEST(refused.error().message.starts_with(fallback_headline("unm1") + '\n'));
    BOOST_TEST(refused.error().message.ends_with(
        "  the import is refused, as a warning filter turns this warning into an error; the runtime stays as it was"));
    BOOST_TEST(told().empty());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
    BOOST_TEST(lab.warnings().empty());
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(a_late_fallback_of_a_legacy_module_can_be_an_error_too) {
    const auto change = [](LoaderOptions& options) {
        options.filters = {filter("error")};
        options.policy = Policy{};
        options.policy->default_unmarked = PolicyAction::free;
    };
    Lab lab({.change = change});
    Events::all().on("legacy1:init", [] { return 1 + IL_THREADING_GLOBAL_LOCK; });
    BOOST_TEST((lab.failure("legacy1") == Errc::warning_as_error));
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 0u);
}

BOOST_AUTO_TEST_CASE(constructors_of_a_legacy_library_run_under_the_lock) {
    // Of a copy, as the library stays mapped and its constructor runs once in this process.
    TemporaryFolder folder;
    copy_module("legacy1.so", folder.path() / "legacy1.so");
    Lab lab({.change = [&](LoaderOptions& options) { options.search_path = {folder.path()}; }});
    lab.import("legacy1");
    BOOST_TEST(told() == (Texts{"legacy1:constructor locked", "legacy1:init locked"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_failing_exec_undoes_everything_and_can_be_tried_again) {
    Lab lab;
    int failures = 1;
    Events::all().on("unm1:exec", [&] { return failures-- > 0 ? IL_ERROR_IO : IL_OK; });
    const auto failed = lab.loader.import("unm1");
    BOOST_REQUIRE(!failed.ok());
    BOOST_TEST((failed.error().code == Errc::exec_failed));
    BOOST_TEST(failed.error().message == "module 'unm1' from '" MODULE_DIRECTORY
                                         "/unm1.so': its exec function failed: as the test wants it");
    // No teardown: exec has not succeeded. The destructor of the library has run, still under the lock.
    const Texts once{"unm1:constructor locked", "unm1:exec locked", "unm1:destructor locked"};
    BOOST_TEST(told() == once, boost::test_tools::per_element());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 0u);
    BOOST_TEST(lab.warnings().empty());
    BOOST_TEST(!lab.loader.find("unm1").ok());
    const auto events = lab.loader.report().fallbacks;
    BOOST_REQUIRE(events.size() == 1u);
    BOOST_TEST(events[0].outcome == "import failed");
    BOOST_TEST(events[0].ended.has_value());
    BOOST_TEST(lab.loader.report().modules.empty());

    const Module again = lab.import("unm1");
    BOOST_TEST(again.loaded());
    BOOST_TEST(again.function("count").value()({}).value().get<std::int64_t>() == 1);
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.warnings().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_failure_ends_only_the_fallback_that_it_caused) {
    Lab lab;
    lab.import("unm1");
    Events::all().on("unm2:exec", [] { return IL_ERROR_FAILED; });
    BOOST_TEST((lab.failure("unm2") == Errc::exec_failed));
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 1u);
    BOOST_TEST(lab.loader.unload("unm1").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_legacy_module_that_declares_itself_free_ends_the_fallback) {
    Lab lab;
    Events::all().on("legacy1:init", [] { return 1 + IL_THREADING_FREE; });
    lab.import("legacy1");
    BOOST_TEST(told().back() == "legacy1:init locked");
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.warnings().empty());
    const auto events = lab.loader.report().fallbacks;
    BOOST_REQUIRE(events.size() == 1u);
    BOOST_TEST(events[0].outcome == "declared free in init");
    BOOST_TEST(events[0].switched);
    BOOST_TEST(events[0].ended.has_value());
}

BOOST_AUTO_TEST_CASE(a_switch_that_is_held_up_past_its_deadline_fails_the_import_cleanly) {
    Lab lab;
    AttachedThread other;
    const auto late = lab.loader.import("unm1", {.switch_deadline = std::chrono::milliseconds(1)});
    other.release();
    BOOST_REQUIRE(!late.ok());
    BOOST_TEST((late.error().code == Errc::switch_timeout));
    BOOST_TEST(told().empty());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.import("unm1").loaded());
}

BOOST_AUTO_TEST_CASE(the_gil_options_keep_their_mode) {
    {
        Lab off({.gil = GilSetting::off});
        const Module module = off.import("unm1");
        BOOST_TEST(told() == (Texts{"unm1:constructor parallel", "unm1:exec parallel"}),
                   boost::test_tools::per_element());
        BOOST_TEST(off.parallel());
        BOOST_TEST((module.level() == ThreadingLevel::global_lock));
        BOOST_TEST(off.warnings().empty());
        BOOST_TEST(off.loader.report().fallbacks.empty());
    }
    {
        Lab on({.gil = GilSetting::on, .change = [](LoaderOptions& options) { options.filters = {filter("error")}; }});
        on.import("unm1");
        on.import("free1");
        BOOST_TEST(told() == (Texts{"unm1:constructor locked", "unm1:exec locked", "free1:constructor locked",
                                    "free1:exec locked"}),
                   boost::test_tools::per_element());
        BOOST_TEST(on.warnings().empty());
        BOOST_TEST(on.loader.unload("unm1").ok());
        BOOST_TEST(!on.parallel());
        BOOST_TEST(on.loader.report().fallbacks.empty());
    }
}

BOOST_AUTO_TEST_CASE(a_nested_import_switches_in_the_middle_of_a_call) {
    Lab lab;
    Events::all().script("free1:exec", "import unm1;observe after");
    const Module module = lab.import("free1");
    BOOST_TEST(told() == (Texts{"free1:constructor parallel", "free1:exec parallel", "unm1:constructor locked",
                                "unm1:exec locked", "after locked"}),
               boost::test_tools::per_element());
    BOOST_TEST(lab.warned_modules() == (Texts{"unm1"}), boost::test_tools::per_element());
    BOOST_TEST(lab.run(module, "observe later").ok());
    BOOST_TEST(told().back() == "later locked");
}
