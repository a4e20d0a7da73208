// Unloading: nobody is inside, nobody depends on it, nothing of it is called afterwards, and the mode follows.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_unload
#include <boost/test/unit_test.hpp>

#include <thread>

#include "lab.hpp"
#include "support/why.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

std::optional<Errc> code_of(const Outcome& outcome) {
    return outcome ? std::nullopt : std::optional(outcome.error().code);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_unloaded_module_is_an_error_and_not_a_crash) {
    Lab lab;
    const Module module = lab.import("free1");
    const Function count = module.function("count").value();
    BOOST_TEST(count({}).ok());
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_TEST(!module.loaded());
    const auto result = count({});
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::unloaded);
    BOOST_TEST(result.error().message ==
               "free1.count: module 'free1' has been unloaded; import it again to get functions "
               "that can be called");
    Scope scope;
    il_value value;
    BOOST_TEST(count.call(scope, {}, value) == IL_ERROR_STATE);
    BOOST_TEST(module.function("count").error().code == Errc::unloaded);
    BOOST_TEST(module.name() == "free1");
    BOOST_TEST(module.version() == "1.0");
    BOOST_TEST(count.name() == "count");
    BOOST_TEST((code_of(lab.loader.unload("free1")) == Errc::not_found));
    BOOST_TEST((lab.loader.find("free1").error().code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(references_outlive_the_loader_and_the_runtime) {
    std::optional<Module> module;
    std::optional<Function> count;
    {
        Lab lab;
        module = lab.import("free1");
        count = module->function("count").value();
    }
    BOOST_TEST((*count)({}).error().code == Errc::unloaded);
    BOOST_TEST(!module->loaded());
    BOOST_TEST((module->decision().source == DecisionSource::marker));
    Lab lab;
    BOOST_TEST((*count)({}).error().code == Errc::unloaded);
    BOOST_TEST(lab.import("free1").function("count").value()({}).ok());
}

BOOST_AUTO_TEST_CASE(it_waits_for_calls_inside) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        const Module module = lab.import(name);
        std::optional<Outcome> outcome;
        Events::all().on(name + ":teardown", [&] { return 0; });
        Threads threads;
        {
            Visitor visitor(module, "detached stay;observe last words", "stay");
            threads.start([&] { outcome = lab.loader.unload(name); });
            while (module.loaded()) std::this_thread::yield();
            // New visitors are turned away, and the old one is still there.
            BOOST_TEST(module.function("count").error().code == Errc::unloaded);
            BOOST_TEST(Events::all().count(name + ":teardown") == 0u);
        }
        threads.join();
        BOOST_TEST(outcome->ok());
        Texts told = Events::all().told();
        BOOST_REQUIRE(told.size() == 6u);
        const std::string mode = name == "unm1" ? " locked" : " parallel";
        BOOST_TEST(told[3] == "last words" + mode);
        BOOST_TEST(told[4] == name + ":teardown" + mode);
        BOOST_TEST(told[5] == name + ":destructor" + mode);
    }
}

BOOST_AUTO_TEST_CASE(who_is_inside_may_still_come_back_by_way_of_others) {
    Lab lab;
    const Module module = lab.import("lock1");
    lab.import("free2");
    std::optional<Outcome> outcome;
    Threads threads;
    Visitor visitor(module, "detached stay;call free2 run call lock1 count", "stay");
    threads.start([&] { outcome = lab.loader.unload("lock1", {.timeout = std::nullopt}); });
    while (module.loaded()) std::this_thread::yield();
    visitor.release();
    threads.join();
    // It has imported lock1 while that was being unloaded: it relies on it, so the unloading had to give up.
    BOOST_TEST(visitor.result->ok(), why(*visitor.result));
    BOOST_REQUIRE(!outcome->ok());
    BOOST_TEST(outcome->error().message ==
               "module 'lock1' was not unloaded: code of a module imports it at this moment; it stays loaded");
    BOOST_TEST(module.loaded());
    BOOST_TEST(lab.run(module, "observe still here").ok());
}

BOOST_AUTO_TEST_CASE(a_call_back_into_a_module_that_is_being_unloaded) {
    Lab lab;
    const Module module = lab.import("lock1");
    const Function count = module.function("count").value();
    std::optional<Outcome> outcome;
    std::optional<Result<Value>> back;
    Threads threads;
    Events::all().on("call back", [&] {
        back = count({});
        return 0;
    });
    Visitor visitor(module, "detached stay;observe call back", "stay");
    threads.start([&] { outcome = lab.loader.unload("lock1"); });
    while (module.loaded()) std::this_thread::yield();
    BOOST_TEST(count({}).error().code == Errc::unloaded);
    visitor.release();
    threads.join();
    BOOST_TEST(outcome->ok());
    BOOST_REQUIRE(back.has_value());
    BOOST_TEST(back->ok());
    BOOST_TEST(visitor.result->ok());
}

BOOST_AUTO_TEST_CASE(it_is_refused_from_inside_and_while_others_depend_on_it) {
    Lab lab;
    const Module first = lab.import("free1");
    std::optional<Outcome> inside;
    Events::all().on("unload me", [&] {
        inside = lab.loader.unload("free1");
        return 0;
    });
    BOOST_TEST(lab.run(first, "observe unload me").ok());
    BOOST_REQUIRE(inside.has_value() && !inside->ok());
    BOOST_TEST(inside->error().message == "module 'free1' cannot be unloaded from inside one of its own calls");
    BOOST_TEST(lab.run(first, "import free2").ok());
    const auto used = lab.loader.unload("free2");
    BOOST_REQUIRE(!used.ok());
    BOOST_TEST(used.error().message ==
               "module 'free2' cannot be unloaded, as it is imported by 'free1'; unload that first");
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_TEST(lab.loader.unload("free2").ok());
}

BOOST_AUTO_TEST_CASE(a_module_that_is_being_imported_already_depends_on_others) {
    Lab lab;
    std::optional<Outcome> own, other;
    Events::all().script("free1:exec", "import free2;observe in the middle");
    Events::all().on("in the middle", [&] {
        own = lab.loader.unload("free1");
        testing::on_other_thread([&] { other = lab.loader.unload("free2"); });
        return 0;
    });
    lab.import("free1");
    BOOST_REQUIRE(own.has_value() && other.has_value());
    BOOST_TEST((code_of(*own) == Errc::in_use));
    BOOST_TEST(other->error().message ==
               "module 'free2' cannot be unloaded, as it is imported by 'free1'; unload that first");
    BOOST_TEST(lab.run(lab.import("free1"), "call free2 count").ok());
}

BOOST_AUTO_TEST_CASE(a_module_in_teardown_still_has_what_it_imported) {
    Lab lab;
    BOOST_TEST(lab.run(lab.import("free1"), "import free2").ok());
    std::optional<Outcome> meanwhile;
    Events::all().on("free1:teardown", [&] {
        testing::on_other_thread([&] { meanwhile = lab.loader.unload("free2"); });
        return 0;
    });
    Events::all().script("free1:teardown", "call free2 run observe still there");
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_REQUIRE(meanwhile.has_value() && !meanwhile->ok());
    BOOST_TEST(meanwhile->error().message ==
               "module 'free2' cannot be unloaded, as it is imported by 'free1' (which is "
               "being unloaded); unload that first");
    BOOST_TEST(Events::all().count("still there") == 1u);
    BOOST_TEST(lab.loader.unload("free2").ok());
}

BOOST_AUTO_TEST_CASE(an_unloading_that_may_give_up_keeps_what_the_module_imported) {
    Lab lab;
    const Module first = lab.import("free1");
    BOOST_TEST(lab.run(first, "import free2").ok());
    std::optional<Outcome> outcome;
    Threads threads;
    Visitor visitor(first, "detached stay;import free1;call free2 run observe still there", "stay");
    threads.start([&] { outcome = lab.loader.unload("free1"); });
    while (first.loaded()) std::this_thread::yield();
    BOOST_TEST((code_of(lab.loader.unload("free2")) == Errc::in_use));
    visitor.release();
    threads.join();
    BOOST_TEST(visitor.result->ok());
    BOOST_TEST((code_of(*outcome) == Errc::in_use));
    BOOST_TEST(Events::all().count("still there") == 1u);
}

BOOST_AUTO_TEST_CASE(two_threads_that_unload_what_the_other_is_inside_of) {
    Lab lab;
    const Module first = lab.import("free1"), second = lab.import("free2");
    std::latch both(2);
    std::optional<Outcome> outcomes[2];
    const std::string names[] = {"free1", "free2"};
    for (int i = 0; i < 2; ++i)
        Events::all().on("in " + names[i], [&, i] {
            both.arrive_and_wait();
            outcomes[i] = lab.loader.unload(names[1 - i]);
            return 0;
        });
    Threads threads;
    threads.start(2, [&](int i) { must(lab.run(i == 0 ? first : second, "observe in " + names[i]).ok()); });
    threads.join();
    // One of them had to give way.
    BOOST_TEST(outcomes[0]->ok() != outcomes[1]->ok());
}

BOOST_AUTO_TEST_CASE(an_import_from_inside_wins_over_an_unloading) {
    Lab lab;
    const Module module = lab.import("free1");
    std::optional<Outcome> outcome;
    Threads threads;
    Visitor visitor(module, "detached stay;import free1", "stay");
    threads.start([&] { outcome = lab.loader.unload("free1"); });
    while (module.loaded()) std::this_thread::yield();
    visitor.release();
    threads.join();
    BOOST_TEST(visitor.result->ok());
    BOOST_TEST((code_of(*outcome) == Errc::in_use));
    BOOST_TEST(module.loaded());
}

BOOST_AUTO_TEST_CASE(an_import_by_the_host_waits_for_the_unloading_and_imports_anew) {
    Lab lab;
    const Module old = lab.import("free1");
    std::optional<Module> fresh;
    std::optional<Outcome> outcome;
    Threads threads;
    {
        Visitor visitor(old, "detached stay", "stay");
        threads.start([&] { outcome = lab.loader.unload("free1"); });
        while (old.loaded()) std::this_thread::yield();
        threads.start([&] { fresh = lab.import("free1"); });
    }
    threads.join();
    BOOST_TEST(outcome->ok());
    BOOST_REQUIRE(fresh.has_value());
    BOOST_TEST(fresh->loaded());
    BOOST_TEST(!old.loaded());
}

BOOST_AUTO_TEST_CASE(teardown_may_use_the_host) {
    Lab lab;
    lab.import("free2");
    Events::all().script("free1:teardown", "call free2 count;warn bye;import free3;call free1 count");
    lab.import("free1");
    BOOST_TEST(lab.loader.unload("free1").ok());
    const Texts told = Events::all().told();
    // The one thing that it cannot do is to import itself.
    BOOST_TEST(std::count(told.begin(), told.end(),
                          "module 'free1' is being unloaded, which waits for this import parallel") == 1);
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    BOOST_TEST(lab.warnings()[0].headline == "bye");
    BOOST_TEST(lab.loader.unload("free3").ok());
}

BOOST_AUTO_TEST_CASE(the_last_module_that_needs_the_lock_ends_the_fallback) {
    Lab lab;
    for (const std::string name : {"unm1", "glob1", "unm2"}) lab.import(name);
    BOOST_TEST(lab.loader.unload("glob1").ok());
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.unload("unm2").ok());
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.unload("unm1").ok());
    BOOST_TEST(lab.parallel());
    const auto events = lab.loader.report().fallbacks;
    BOOST_REQUIRE(events.size() == 3u);
    for (const FallbackEvent& event : events) {
        BOOST_TEST(event.outcome == "unloaded");
        BOOST_TEST(event.ended.has_value());
    }
    BOOST_TEST(events[0].switched);
    BOOST_TEST(!events[1].switched);
    BOOST_TEST(lab.runtime.stats().switches_to_parallel == 1u);
}

BOOST_AUTO_TEST_CASE(a_thousand_times_over) {
    Lab lab;
    for (int round = 0; round < 1000; ++round) {
        const Module module = lab.import(round % 2 == 0 ? "free1" : "unm1");
        // A new state each time.
        BOOST_REQUIRE(module.function("count").value()({}).value().get<std::int64_t>() == 1);
        BOOST_REQUIRE(lab.loader.unload(module.name()).ok());
        BOOST_REQUIRE(lab.parallel());
    }
    const LoaderReport report = lab.loader.report();
    BOOST_TEST(report.modules.size() == 2u);
    for (const ModuleStats& stats : report.modules) {
        BOOST_REQUIRE(!stats.loaded);
        BOOST_REQUIRE(!stats.mapped);
        BOOST_REQUIRE(stats.loads == 500u);
        // Figures of earlier users of the same tally do not show through: exec and count.
        BOOST_REQUIRE(stats.calls_none + stats.calls_global_lock == 3u);
    }
    BOOST_TEST(lab.warnings().size() == 1u);
    BOOST_TEST(report.warnings_suppressed == 499u);
}

BOOST_AUTO_TEST_CASE(records_of_modules_are_used_again) {
    Lab lab;
    // There is room for 16384 at a time. An import that fails in the dynamic linker is the quickest one that makes one.
    for (int round = 0; round < 16'500; ++round)
        BOOST_REQUIRE((lab.loader.import("bad_unresolved").error().code == Errc::load_failed));
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(a_legacy_library_stays_mapped_and_dead) {
    Lab lab;
    const Module module = lab.import("legacy1");
    const Function count = module.function("count").value();
    BOOST_TEST(lab.loader.unload("legacy1").ok());
    BOOST_TEST(count({}).error().code == Errc::unloaded);
    BOOST_TEST(lab.stats("legacy1").mapped);
    BOOST_TEST(!lab.stats("legacy1").loaded);
    BOOST_TEST(Events::all().count("legacy1:destructor") == 0u);
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.import("legacy1").function("count").value()({}).value().get<std::int64_t>() == 1);
    BOOST_TEST(count({}).error().code == Errc::unloaded);
}

BOOST_AUTO_TEST_CASE(a_library_that_asks_for_it_stays_mapped) {
    Lab lab;
    lab.import("kept");
    BOOST_TEST(lab.loader.unload("kept").ok());
    BOOST_TEST(Events::all().count("kept:teardown") == 1u);
    BOOST_TEST(Events::all().count("kept:destructor") == 0u);
    BOOST_TEST(lab.stats("kept").mapped);
    lab.import("free1");
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_TEST(!lab.stats("free1").mapped);
}

BOOST_AUTO_TEST_CASE(a_file_with_two_modules_is_mapped_until_both_are_gone) {
    Lab lab;
    lab.import("pair_free");
    lab.import("pair_global");
    BOOST_TEST(lab.loader.unload("pair_free").ok());
    BOOST_TEST(lab.stats("pair_free").mapped);
    BOOST_TEST(lab.import("pair_free").loaded());
    BOOST_TEST(lab.loader.unload("pair_global").ok());
    BOOST_TEST(lab.loader.unload("pair_free").ok());
    BOOST_TEST(!lab.stats("pair_free").mapped);
}

BOOST_AUTO_TEST_CASE(modules_that_import_each_other_are_unloaded_together) {
    for (const bool of_three : {false, true}) {
        Lab lab;
        const Module first = lab.import("free1"), second = lab.import("unm1");
        BOOST_TEST(lab.run(first, of_three ? "import lock1" : "import unm1").ok());
        if (of_three) BOOST_TEST(lab.run(lab.import("lock1"), "import unm1").ok());
        BOOST_TEST(lab.run(second, "import free1").ok());
        const auto alone = lab.loader.unload("free1");
        BOOST_REQUIRE(!alone.ok());
        BOOST_TEST(alone.error().code == Errc::in_use);
        BOOST_TEST(
            alone.error().message ==
            "module 'free1' cannot be unloaded, as it is imported by 'unm1', which it imports itself; unload them "
            "in one call (Loader::unload with several names)");
        if (of_three) {
            const auto two = lab.loader.unload({"free1", "unm1"});
            BOOST_REQUIRE(!two.ok());
            BOOST_TEST(two.error().message.find("imported by 'lock1'") != std::string::npos, two.error().message);
            BOOST_TEST((first.loaded() && second.loaded()));
            BOOST_TEST(lab.loader.unload({"lock1", "free1", "unm1", "free1"}).ok());
        } else {
            BOOST_TEST(lab.loader.unload({"free1", "unm1"}).ok());
        }
        BOOST_TEST((!first.loaded() && !second.loaded()));
        BOOST_TEST(lab.parallel());
        BOOST_TEST(!lab.stats("free1").mapped);
        BOOST_TEST(!lab.stats("unm1").mapped);
        BOOST_TEST(Events::all().count("free1:teardown") == 1u);
        BOOST_TEST(Events::all().count("unm1:teardown") == 1u);
        BOOST_TEST(lab.run(lab.import("free1"), "import unm1").ok());
    }
}

BOOST_AUTO_TEST_CASE(several_are_unloaded_all_or_none) {
    Lab lab;
    const Module first = lab.import("free1"), second = lab.import("lock1");
    const auto missing = lab.loader.unload({"free1", "free2"});
    BOOST_REQUIRE(!missing.ok());
    BOOST_TEST(missing.error().code == Errc::not_found);
    BOOST_TEST(lab.loader.unload({"free1"}, {.timeout = std::chrono::milliseconds(1)}).ok());
    const Module again = lab.import("free1");
    {
        Visitor visitor(second, "detached stay", "stay");
        const auto late = lab.loader.unload({"free1", "lock1"}, {.timeout = std::chrono::milliseconds(5)});
        BOOST_REQUIRE(!late.ok());
        BOOST_TEST(late.error().code == Errc::in_use);
        BOOST_TEST(late.error().message ==
                   "modules 'free1', 'lock1' were not unloaded: after 5 ms a call is still inside "
                   "one of them; all of them stay loaded");
        BOOST_TEST(lab.run(again, "call lock1 count").ok());
        BOOST_TEST(lab.loader.find("lock1").ok());
    }
    BOOST_TEST(lab.loader.unload({"free1", "lock1"}).ok());
    BOOST_TEST(lab.loader.unload(std::span<const std::string_view>()).ok());
    BOOST_TEST(!first.loaded());
}

BOOST_AUTO_TEST_CASE(the_destructor_unloads_the_last_one_first) {
    Texts order;
    {
        Lab lab;
        for (const std::string name : {"free2", "unm1", "free1"}) lab.import(name);
        BOOST_TEST(lab.run(lab.import("free2"), "import unm1;import free1").ok());
        for (const std::string name : {"free1", "free2", "unm1"})
            Events::all().on(name + ":teardown", [&order, name] {
                order.push_back(name);
                return 0;
            });
        lab.keep_events = true;
    }
    // free2 depends on both others, so it goes before them although it came first.
    BOOST_TEST(order == (Texts{"free2", "free1", "unm1"}), boost::test_tools::per_element());
    Events::all().clear();
}
