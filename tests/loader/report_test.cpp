// The report of a loader, as a structure and as JSON.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_report
#include <boost/test/unit_test.hpp>

#include <regex>
#include <tuple>

#include <nlohmann/json.hpp>

#include "lab.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

using Json = nlohmann::json;
using Counts = std::array<std::uint64_t, 3>;  // none, module lock, global lock

Counts counts(const ModuleStats& stats) { return {stats.calls_none, stats.calls_module_lock, stats.calls_global_lock}; }

Texts keys(const Json& object) {
    Texts names;
    for (const auto& [name, value] : object.items()) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(calls_are_counted_exactly_by_their_gate) {
    Lab lab;
    const Module free = lab.import("free1"), lock = lab.import("lock1");
    const Function calls[] = {free.function("count").value(), lock.function("count").value()};
    Threads threads;
    threads.start(3, [&](int) {
        Scope scope;
        il_value result;
        for (int i = 0; i < 1000; ++i)
            for (const Function& call : calls) must(call.call(scope, {}, result) == IL_OK);
    });
    threads.join();
    // exec is a visit as well.
    BOOST_TEST(counts(lab.stats("free1")) == (Counts{3001, 0, 0}), boost::test_tools::per_element());
    BOOST_TEST(counts(lab.stats("lock1")) == (Counts{0, 3001, 0}), boost::test_tools::per_element());
    const Module unmarked = lab.import("unm1");
    for (int i = 0; i < 10; ++i)
        for (const Module& module : {free, lock, unmarked}) BOOST_TEST(module.function("count").value()({}).ok());
    BOOST_TEST(counts(lab.stats("free1")) == (Counts{3001, 0, 10}), boost::test_tools::per_element());
    BOOST_TEST(counts(lab.stats("lock1")) == (Counts{0, 3001, 10}), boost::test_tools::per_element());
    BOOST_TEST(counts(lab.stats("unm1")) == (Counts{0, 0, 11}), boost::test_tools::per_element());
    BOOST_TEST(lab.loader.unload("unm1").ok());  // and its teardown
    BOOST_TEST(counts(lab.stats("unm1")) == (Counts{0, 0, 12}), boost::test_tools::per_element());
    // A call from one module into another is one of each; a call that is turned away is none.
    BOOST_TEST(lab.run(free, "call lock1 count").ok());
    BOOST_TEST(!unmarked.function("count").ok());
    BOOST_TEST(counts(lab.stats("free1")) == (Counts{3002, 0, 10}), boost::test_tools::per_element());
    BOOST_TEST(counts(lab.stats("lock1")) == (Counts{0, 3002, 10}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(time_inside_is_measured_behind_a_lock) {
    Lab lab;
    const Module module = lab.import("lock1");
    const ModuleStats before = lab.stats("lock1");
    const auto begin = std::chrono::steady_clock::now();
    std::chrono::nanoseconds inside{};
    Events::all().on("work", [&] {
        const auto start = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - start < std::chrono::microseconds(200)) {
        }
        inside = std::chrono::steady_clock::now() - start;
        return 0;
    });
    BOOST_TEST(lab.run(module, "observe work").ok());
    const std::chrono::nanoseconds all = std::chrono::steady_clock::now() - begin;
    const std::uint64_t counted = lab.stats("lock1").ns_inside - before.ns_inside;
    BOOST_TEST(counted >= static_cast<std::uint64_t>(inside.count()));
    BOOST_TEST(counted <= static_cast<std::uint64_t>(all.count()));
}

BOOST_AUTO_TEST_CASE(the_report_as_json) {
    Lab lab;
    Events::all().script("free1:exec", "import unm1");
    lab.import("free1");
    Events::all().on("unm2:exec", [] { return IL_ERROR_FAILED; });
    BOOST_TEST((lab.failure("unm2") == Errc::exec_failed));
    lab.import("nobuildid");
    BOOST_TEST(lab.loader.unload("nobuildid").ok());
    const LoaderReport report = lab.loader.report();
    const std::string text = report.to_json();
    BOOST_TEST(text.ends_with("}\n"));
    const Json json = Json::parse(text);
    BOOST_TEST(keys(json) == (Texts{"fallbacks", "gil", "modules", "runtime", "schema_version", "warnings"}),
               boost::test_tools::per_element());
    BOOST_TEST(json["schema_version"] == 1);
    BOOST_TEST(json["gil"] == "automatic");
    BOOST_TEST(json["runtime"]["mode"] == "locked");
    BOOST_TEST(json["runtime"]["holds"] == 1);
    BOOST_TEST(json["runtime"]["switches_to_locked"] == 1);
    BOOST_TEST(json["warnings"] == (Json{{"issued", 2}, {"suppressed", 0}}));

    // In the order in which they were done: the inner one first.
    const Json& modules = json["modules"];
    BOOST_REQUIRE(modules.size() == 3u);
    for (const Json& module : modules)
        BOOST_TEST(keys(module) == (Texts{"build_id", "calls", "decision", "file", "import_ns", "imported_at",
                                          "imported_by", "libraries", "loaded", "loads", "mapped", "module",
                                          "ns_inside", "ns_waiting", "version"}),
                   boost::test_tools::per_element());
    BOOST_TEST(modules[0]["module"] == "unm1");
    BOOST_TEST(modules[0]["imported_by"] == (Json{"free1, (exec)", "the test"}));
    BOOST_TEST(modules[0]["version"] == "1.0");
    BOOST_TEST(modules[0]["file"] == std::string(MODULE_DIRECTORY "/unm1.so"));
    BOOST_TEST(modules[0]["build_id"] == read_module_file(MODULE_DIRECTORY "/unm1.so").value().build_id);
    BOOST_TEST(modules[0]["calls"] == (Json{{"none", 0}, {"module_lock", 0}, {"global_lock", 1}}));
    BOOST_TEST(modules[0]["decision"] == Json::parse(R"({"action": "global_lock", "source": "default", "why": [
                   {"source": "marker", "says": null, "decided": false, "text": "the file carries no marker"},
                   {"source": "default", "says": "global_lock", "decided": true,
                    "text": "a module that says nothing needs the global lock"}]})"));
    BOOST_TEST(modules[1]["module"] == "free1");
    BOOST_TEST(modules[1]["loaded"] == true);
    BOOST_TEST(modules[1]["import_ns"].get<std::int64_t>() >= modules[0]["import_ns"].get<std::int64_t>());
    BOOST_TEST(modules[2]["module"] == "nobuildid");
    BOOST_TEST(modules[2]["build_id"].is_null());
    BOOST_TEST(modules[2]["loaded"] == false);
    BOOST_TEST(modules[2]["loads"] == 1);
    BOOST_TEST(modules[2]["mapped"] == false);

    const Json& fallbacks = json["fallbacks"];
    BOOST_REQUIRE(fallbacks.size() == 3u);
    const Texts outcomes{"loaded", "import failed", "unloaded"};
    const std::regex iso("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z");
    for (std::size_t i = 0; i < 3; ++i) {
        BOOST_TEST(
            keys(fallbacks[i]) == (Texts{"at", "ended", "imported_by", "module", "outcome", "switch_ns", "switched"}),
            boost::test_tools::per_element());
        BOOST_TEST(fallbacks[i]["outcome"] == outcomes[i]);
        BOOST_TEST(fallbacks[i]["switched"] == (i == 0));
        BOOST_TEST(fallbacks[i]["ended"].is_null() == (i == 0));
        BOOST_TEST(std::regex_match(fallbacks[i]["at"].get<std::string>(), iso));
    }
    BOOST_TEST(fallbacks[0]["switch_ns"].get<std::int64_t>() > 0);
    BOOST_TEST(fallbacks[0]["switch_ns"] == json["runtime"]["last_switch_ns"]);
}

BOOST_AUTO_TEST_CASE(the_report_names_the_gil_setting) {
    const std::pair<GilSetting, const char*> table[] = {
        {GilSetting::automatic, "automatic"}, {GilSetting::off, "0"}, {GilSetting::on, "1"}};
    for (const auto& [setting, name] : table) {
        Lab lab({.gil = setting});
        BOOST_TEST(Json::parse(lab.loader.report().to_json())["gil"] == name);
    }
}

BOOST_AUTO_TEST_CASE(a_failed_switch_is_in_the_figures_of_the_runtime) {
    Lab lab;
    AttachedThread other;
    BOOST_TEST(!lab.loader.import("unm1", {.switch_deadline = std::chrono::milliseconds(1)}).ok());
    other.release();
    const LoaderReport report = lab.loader.report();
    BOOST_TEST(report.runtime.failed_switches == 1u);
    BOOST_TEST(report.fallbacks.empty());
    BOOST_TEST(report.modules.empty());
}

BOOST_AUTO_TEST_CASE(the_report_of_a_program_that_reloads_its_modules_for_ever_does_not_grow) {
    Lab lab;
    Events::all().on("lock1:exec", [] { return IL_ERROR_FAILED; });
    lab.import("free2");
    constexpr unsigned rounds = 1500;  // more than the past fallbacks that are kept
    for (unsigned i = 0; i < rounds; ++i) {
        for (const std::string name : {"free1", "unm1"}) {
            lab.import(name);
            BOOST_REQUIRE(lab.loader.unload(name).ok());
        }
        BOOST_REQUIRE((lab.failure("lock1") == Errc::exec_failed));
    }
    const Module again = lab.import("free1");
    const LoaderReport report = lab.loader.report();
    // In order: what is loaded, each name's last time before, and the present one.
    const std::tuple<std::string, std::uint64_t, bool> expected[] = {
        {"free2", 1, true}, {"free1", rounds, false}, {"unm1", rounds, false}, {"free1", rounds + 1, true}};
    BOOST_REQUIRE(report.modules.size() == std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i)
        BOOST_TEST(
            (std::tie(report.modules[i].module, report.modules[i].loads, report.modules[i].loaded) == expected[i]));
    BOOST_TEST(report.fallbacks.size() == 1000u);
    BOOST_TEST(report.warnings_issued == 1u);
    BOOST_TEST(report.warnings_suppressed == rounds - 1);
    BOOST_TEST(report.runtime.switches_to_locked == rounds);
    const auto loaded = lab.loader.modules();
    BOOST_REQUIRE(loaded.size() == 2u);
    BOOST_TEST(loaded[0].name() == "free2");
    BOOST_TEST(loaded[1].name() == "free1");
}

BOOST_AUTO_TEST_CASE(warnings_that_differ_each_time_are_all_shown) {
    Lab lab;
    const Module module = lab.import("free1");
    for (int i = 0; i < 10'100; ++i) BOOST_REQUIRE(lab.run(module, "warn number " + std::to_string(i)).ok());
    BOOST_TEST(lab.warnings().size() == 10'100u);
    // Not long ago, so it is remembered.
    BOOST_TEST(lab.run(module, "warn number 10099").ok());
    BOOST_TEST(lab.warnings().size() == 10'100u);
}
