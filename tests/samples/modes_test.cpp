// The same work gives the same results serially, in parallel, in locked mode, and when a fallback and the way back
// come in the middle of it. And modules with a lock of their own leave the mode alone.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_modes
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <thread>

#include <interlock/interlock.hpp>

#include "host.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr std::size_t text_count = 240;
constexpr unsigned thread_count = 4;

using Results = std::vector<std::string>;  // JSON of each

const std::vector<std::string>& texts() {
    static const auto all = [] {
        std::vector<std::string> made;
        for (std::uint32_t i = 0; i < text_count; ++i) made.push_back(make_text(i, i % 40 == 39 ? 150'000 : i * 37));
        return made;
    }();
    return all;
}

std::string result_of(const Function& function, std::size_t index) {
    return function({Value(texts()[index])}).value().to_json();
}

Results serially(const Function& function) {
    Results results;
    for (std::size_t i = 0; i < text_count; ++i) results.push_back(result_of(function, i));
    return results;
}

Results on_all_threads(Host& host, const Function& function) {
    Results results(text_count);
    host.runtime.parallel_for(0, text_count, [&](std::size_t i) { results[i] = result_of(function, i); });
    return results;
}

/// At `begin` items done, lets `event` happen on another thread; no item after the `end`th starts before it is over.
/// So the event is in the middle, however the threads are scheduled.
Results with_event_in_the_middle(Host& host, const Function& function, const std::function<void()>& event) {
    constexpr std::size_t begin = text_count / 4, end = 3 * begin;
    Results results(text_count);
    std::atomic<std::size_t> started{0}, done{0};
    std::latch now(1), over(1);
    auto other_thread = std::async(std::launch::async, [&] {
        now.wait();
        event();
        over.count_down();
    });
    host.runtime.parallel_for(0, text_count, [&](std::size_t i) {
        if (++started > end) {
            Detached while_waiting;
            over.wait();
        }
        results[i] = result_of(function, i);
        if (++done == begin) now.count_down();
    });
    other_thread.get();
    return results;
}

bool same(const Results& a, const Results& b) { return a == b; }

const char* const free_functions[] = {"textkit.tokens",      "textkit.lines", "textkit.count",
                                      "textkit.word_counts", "zcodec.ratio",  "zcodec.compress"};

}  // namespace

BOOST_AUTO_TEST_CASE(free_modules_compute_the_same_in_every_mode) {
    for (const char* name : free_functions) {
        BOOST_TEST_CONTEXT(name) {
            Host host(with_threads(thread_count));
            const Function function = host.function(name);
            const Results serial = serially(function);
            BOOST_TEST(same(on_all_threads(host, function), serial));

            BOOST_TEST(host.runtime.switch_to_locked("test").value().switched);
            BOOST_TEST(same(on_all_threads(host, function), serial));
            BOOST_TEST(host.runtime.switch_to_parallel());

            BOOST_TEST(same(with_event_in_the_middle(host, function, [&] { host.loader.import("legacy_tok").value(); }),
                            serial));
            BOOST_TEST(host.runtime.is_gil_enabled());
            BOOST_TEST(host.warned_of() == std::vector<std::string>{"legacy_tok"}, boost::test_tools::per_element());
            BOOST_TEST(same(on_all_threads(host, function), serial));

            BOOST_TEST(same(with_event_in_the_middle(host, function, [&] { host.loader.unload("legacy_tok").value(); }),
                            serial));
            BOOST_TEST(!host.runtime.is_gil_enabled());
        }
    }
}

BOOST_AUTO_TEST_CASE(an_unmarked_module_and_a_free_one_share_the_global_lock) {
    Host host(with_threads(thread_count));
    const Function word_counts = host.function("textkit.word_counts"), checksum = host.function("legacy_tok.checksum");
    const Results serial_counts = serially(word_counts), serial_checksums = serially(checksum);
    Results counts;
    auto other_thread = std::async(std::launch::async, [&] { counts = on_all_threads(host, word_counts); });
    BOOST_TEST(same(on_all_threads(host, checksum), serial_checksums));
    other_thread.get();
    BOOST_TEST(same(counts, serial_counts));
    for (const ModuleStats& module : host.loader.report().modules) {
        BOOST_TEST_CONTEXT(module.module) {
            BOOST_TEST(module.calls_global_lock > 0);
            BOOST_TEST(module.calls_module_lock == 0);
        }
    }
}

// A module whose results lie in static storage: whoever takes them must do so before the next caller is let in.
BOOST_AUTO_TEST_CASE(results_in_static_storage_are_right_under_a_lock) {
    Policy own_lock;
    PolicyRule rule;
    rule.module = "legacy_init";
    rule.threading = PolicyAction::module_lock;
    rule.reason = "test";
    own_lock.rules.push_back(rule);
    for (const Policy& policy : {Policy(), own_lock}) {
        Host host(with_threads(thread_count), policy);
        const Function date = host.function("legacy_init.date");
        BOOST_TEST(host.runtime.is_gil_enabled() == policy.rules.empty());
        std::atomic<int> wrong{0};
        {
            std::vector<std::jthread> threads;
            for (std::int64_t n = 0; n < 8; ++n) {
                threads.emplace_back([&, n] {
                    const std::string expected = "197" + std::to_string(n) + "-01-";
                    for (int i = 0; i < 20'000; ++i)
                        if (!date({n * 366 * 86'400}).value().get<std::string>().starts_with(expected)) ++wrong;
                });
            }
        }
        BOOST_TEST(wrong == 0);
    }
}

BOOST_AUTO_TEST_CASE(a_legacy_module_that_declares_itself_free_ends_the_fallback_without_a_warning) {
    Host host(with_threads(thread_count));
    const Function word_counts = host.function("textkit.word_counts");
    const Results serial = serially(word_counts);
    BOOST_TEST(
        same(with_event_in_the_middle(host, word_counts, [&] { host.loader.import("legacy_free").value(); }), serial));
    BOOST_TEST(!host.runtime.is_gil_enabled());
    BOOST_TEST(host.warned_of().empty());
    const auto fallbacks = host.loader.report().fallbacks;
    BOOST_REQUIRE(fallbacks.size() == 1u);
    BOOST_TEST(fallbacks[0].outcome == "declared free in init");
}

// Eight threads, two modules: SQLite relies on the module lock alone, textkit runs on beside it.
BOOST_AUTO_TEST_CASE(a_module_lock_is_enough_for_sqlite_and_leaves_the_mode_alone) {
    constexpr std::size_t threads_here = 8, texts_each = 12;
    Host host(with_threads(thread_count));
    const Function word_counts = host.function("textkit.word_counts"), add = host.function("sqlkv.add");
    std::map<std::string, std::int64_t> expected;
    for (std::size_t i = 0; i < threads_here * texts_each; ++i) {
        const Value counts = word_counts({Value(texts()[i])}).value();
        for (const auto& [word, count] : counts.get<Map>()) expected[word] += count.get<std::int64_t>();
    }
    std::atomic<int> failures{0}, locked{0};
    {
        std::vector<std::jthread> threads;
        for (std::size_t n = 0; n < threads_here; ++n) {
            threads.emplace_back([&, n] {
                for (std::size_t i = n * texts_each; i < (n + 1) * texts_each; ++i) {
                    const Result<Value> counts = word_counts({Value(texts()[i])});
                    if (!counts || !add({*counts})) ++failures;
                    if (host.runtime.is_gil_enabled()) ++locked;
                }
            });
        }
    }
    BOOST_TEST(failures == 0);
    BOOST_TEST(locked == 0);
    BOOST_TEST(host.call("sqlkv.size", {}).get<std::int64_t>() == static_cast<std::int64_t>(expected.size()));
    for (const auto& [word, count] : expected)
        BOOST_TEST(host.call("sqlkv.get", {word}).get<std::int64_t>() == count, word);

    const RuntimeStats stats = host.runtime.stats();
    BOOST_TEST(stats.switches_to_locked == 0u);
    for (const ModuleStats& module : host.loader.report().modules) {
        BOOST_TEST_CONTEXT(module.module) {
            BOOST_TEST(module.calls_global_lock == 0u);
            BOOST_TEST((module.calls_module_lock > 0) == (module.module == "sqlkv"));
        }
    }
}
