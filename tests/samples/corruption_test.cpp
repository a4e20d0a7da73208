// legacy_tok keeps its state in static storage. With gil=0 nothing keeps two threads apart, and its results are shown
// to be wrong; under the fallback, and under a lock of its own, the same threads make at least as many calls and get
// nothing but right ones.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_corruption
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <latch>
#include <thread>

#include <interlock/interlock.hpp>

#include "host.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr unsigned thread_count = 4;
// A call works for some 100 us on the static buffer. Two calls overlap on the first occasion where there are two CPUs,
// and where there is one, as soon as a thread is preempted inside a call.
constexpr std::size_t text_size = 60'000;
constexpr std::size_t generous = 200'000;  // calls; a handful is enough

struct Tried {
    std::size_t calls = 0, wrong = 0;
};

/// All threads call legacy_tok.checksum, each with a text of its own, until `calls` calls are made, or, if
/// `until_first`, a result was wrong.
Tried run(Host& host, std::size_t calls, bool until_first) {
    const Function checksum = host.function("legacy_tok.checksum");
    std::vector<std::string> texts;
    std::vector<std::int64_t> expected;
    for (std::uint32_t n = 0; n < thread_count; ++n) {
        texts.push_back(make_text(n, text_size));
        expected.push_back(checksum({texts.back()}).value().get<std::int64_t>());
    }
    std::atomic<std::size_t> begun{0}, wrong{0};
    std::latch start(thread_count);
    {
        std::vector<std::jthread> threads;
        for (unsigned n = 0; n < thread_count; ++n) {
            threads.emplace_back([&, n] {
                start.arrive_and_wait();
                while (begun.fetch_add(1) < calls && !(until_first && wrong > 0))
                    if (checksum({texts[n]}).value().get<std::int64_t>() != expected[n]) ++wrong;
            });
        }
    }
    return {std::min(begun.load(), calls), wrong};
}

std::size_t calls_until_corrupted() {
    static const std::size_t calls = [] {
        Host host(with_threads(thread_count, GilSetting::off));
        const Tried outcome = run(host, generous, true);
        BOOST_TEST(!host.runtime.is_gil_enabled());
        BOOST_TEST(host.runtime.stats().switches_to_locked == 0u);
        BOOST_TEST(outcome.wrong > 0u);
        BOOST_TEST_MESSAGE("a result was wrong within " << outcome.calls << " calls");
        return outcome.calls;
    }();
    return calls;
}

/// As many as corrupt it without a lock, and a good deal more.
std::size_t enough() { return std::min(10 * calls_until_corrupted() + 2000, generous); }

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_lock_results_are_wrong) { BOOST_TEST(calls_until_corrupted() > 0u); }

BOOST_AUTO_TEST_CASE(under_the_fallback_results_are_right) {
    const std::size_t calls = enough();
    Host host(with_threads(thread_count));
    const Tried outcome = run(host, calls, false);
    BOOST_TEST(outcome.calls == calls);
    BOOST_TEST(outcome.wrong == 0u);
    BOOST_TEST(host.runtime.is_gil_enabled());
    BOOST_TEST(host.warned_of() == std::vector<std::string>{"legacy_tok"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(under_a_lock_of_its_own_results_are_right_and_the_mode_stays_parallel) {
    const std::size_t calls = enough();
    auto file = read_policy(SAMPLE_POLICY, today_utc()).value();
    BOOST_REQUIRE_MESSAGE(file.diagnostics.empty(), error_text(file.diagnostics));
    Host host(with_threads(thread_count), std::move(file.policy));
    const Tried outcome = run(host, calls, false);
    BOOST_TEST(outcome.calls == calls);
    BOOST_TEST(outcome.wrong == 0u);
    BOOST_TEST(!host.runtime.is_gil_enabled());
    BOOST_TEST(host.warned_of().empty());
}

BOOST_AUTO_TEST_CASE(with_gil_1_results_are_right_and_nobody_is_warned) {
    const std::size_t calls = enough();
    Host host(with_threads(thread_count, GilSetting::on));
    BOOST_TEST(run(host, calls, false).wrong == 0u);
    BOOST_TEST(host.runtime.is_gil_enabled());
    BOOST_TEST(host.warned_of().empty());
}
