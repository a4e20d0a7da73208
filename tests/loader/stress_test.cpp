// Everything at once, bounded by a count, with a fixed seed for each thread: the modules themselves check that their
// gates hold.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_stress
#include <boost/test/unit_test.hpp>

#include <random>
#include <thread>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr int callers = 4, importers = 2, steps = 400;

}  // namespace

BOOST_AUTO_TEST_CASE(calls_imports_and_unloads_together) {
    Lab lab;
    const std::string names[] = {"free1", "lock1", "lock2", "unm1", "free2"};
    std::atomic<std::uint64_t> good{0}, turned_away{0}, other{0};
    const auto judge = [&](const Result<Value>& result) {
        if (result)
            ++good;
        else if (result.error().code == Errc::unloaded)
            ++turned_away;
        else
            ++other;
    };
    Threads threads;
    threads.start(callers + importers, [&](int i) {
        std::mt19937 random(static_cast<unsigned>(i + 1));
        const auto pick = [&](std::size_t count) { return random() % count; };
        for (int step = 0; step < steps; ++step) {
            const std::string& name = names[pick(std::size(names))];
            if (i >= callers && pick(2) == 0) {
                const auto unloaded = lab.loader.unload(name, {.timeout = std::chrono::milliseconds(2)});
                if (!unloaded && unloaded.error().code != Errc::not_found && unloaded.error().code != Errc::in_use)
                    ++other;
                continue;
            }
            const auto module = lab.loader.import(name);
            if (!module) {
                ++other;
                continue;
            }
            const auto run = module->function("run");
            if (!run) {
                ++turned_away;
                continue;
            }
            const bool exclusive = name.starts_with("lock") || name == "unm1";
            const std::string& target = names[pick(std::size(names))];
            switch (pick(4)) {
                case 0:
                    judge((*run)({exclusive ? "alone work" : "observe work"}));
                    break;
                case 1:
                    judge((*run)({"detached away"}));
                    break;
                case 2:
                    judge((*run)({"call " + target + " count"}));
                    break;
                case 3:
                    judge((*run)({"section here"}));
                    break;
            }
        }
    });
    threads.join();
    BOOST_TEST(other.load() == 0u);
    BOOST_TEST(good.load() > 0u);
    // unm1's checks are exact as well, as it is never called without the global lock.
    for (const std::string name : {"lock1", "lock2", "unm1"})
        BOOST_TEST(lab.import(name).function("checked").value()({}).value().get<std::int64_t>() >= 0);
    const LoaderReport report = lab.loader.report();
    for (const ModuleStats& stats : report.modules) {
        if (stats.module == "unm1") BOOST_TEST(stats.calls_none + stats.calls_module_lock == 0u);
        if (stats.module.starts_with("lock")) BOOST_TEST(stats.calls_none == 0u);
    }
    BOOST_TEST(lab.runtime.stats().attached_threads == 0u);
}

BOOST_AUTO_TEST_CASE(loaders_come_and_go_and_leave_nothing) {
    for (int round = 0; round < 20; ++round) {
        Lab lab;
        Threads threads;
        threads.start(4, [&](int i) {
            std::mt19937 random(static_cast<unsigned>(100 * round + i));
            const std::string names[] = {"free1", "lock1", "unm1", "pkg.sub", "legacy1"};
            for (int step = 0; step < 20; ++step) must(lab.loader.import(names[random() % 5]).ok());
        });
        threads.join();
        BOOST_TEST(!lab.parallel());
    }
    Lab lab;
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 0u);
}
