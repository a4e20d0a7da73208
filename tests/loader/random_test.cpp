// Random imports, unloadings, calls, loops, switches and forks from several threads, so many of each thread that the
// end never depends on time. To let it run for long, or to play a run again:
//
//     loader_random_test -- --steps 1000000 --threads 8 --executor 4 --seed 7 --fork
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_random
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <string_view>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;
using testing::Exclusion;

namespace {

struct Settings {
    unsigned long steps = 2000, threads = 6, executor = 4, seed = 1;
    bool fork = false;

    Settings() {
        const auto& suite = boost::unit_test::framework::master_test_suite();
        for (int i = 1; i < suite.argc; ++i) {
            const std::string_view option = suite.argv[i];
            const auto number = [&](std::string_view name, unsigned long& value) {
                if (option == name && i + 1 < suite.argc) value = std::stoul(suite.argv[++i]);
            };
            if (option == "--fork") fork = true;
            number("--steps", steps);
            number("--threads", threads);
            number("--executor", executor);
            number("--seed", seed);
        }
    }
};

// As in the tests of forks: what the tests themselves keep has to survive one, too.
[[maybe_unused]] const int events_survive =
    ::pthread_atfork([] { Events::all().lock(); }, [] { Events::all().unlock(); }, [] { Events::all().unlock(); });

// Of all levels; then two that import each other, and so stay loaded; then one whose exec fails.
const std::string names[] = {"free1", "lock1", "unm1", "unm2", "legacy1", "lock2", "free3", "free2"};
constexpr std::size_t ranked = 5;  // these call only what comes after them, as what is called in a circle stays loaded

class Walker {
public:
    Walker(Lab& lab, Exclusion& exclusion, const Settings& settings, unsigned long number)
        : lab_(lab),
          exclusion_(exclusion),
          forks_(settings.fork),
          random_(static_cast<unsigned>(1000 * settings.seed + number)) {}

    void step() {
        switch (pick(forks_ ? 25 : 24) / 3) {
            case 0:
            case 1:
                import();
                break;
            case 2:
                expected(lab_.loader.unload(names[pick(std::size(names))], {.timeout = milliseconds(5)}));
                break;
            case 3:
            case 4:
                call();
                break;
            case 5:
                loop();
                break;
            case 6:
                attached();
                break;
            case 7:
                if (const auto report = lab_.runtime.switch_to_locked("random", milliseconds(4)))
                    lab_.runtime.switch_to_parallel();
                break;
            default:
                fork();
        }
    }

private:
    struct Callable {
        std::size_t module;
        Function run;
    };

    std::size_t pick(std::size_t count) { return random_() % count; }
    std::chrono::milliseconds milliseconds(std::size_t most) { return std::chrono::milliseconds(pick(most)); }
    static std::string script(std::size_t module, std::size_t choice) {
        const std::string work = names[module].starts_with("free") ? "section here" : "alone here";
        const std::size_t next = module + 1 + choice / 6 % (ranked - 1);
        const std::string other = next < ranked ? names[next] : "";
        if (next >= ranked) choice %= 3;
        switch (choice % 6) {
            case 0:
                return work;
            case 1:
                return "detached away;" + work;
            case 2:
                return "parallel 20 " + work;
            case 3:
                return "call " + other + " count";
            case 4:
                return "call " + other + " run detached away;" + work;
            default:
                return "parallel 4 call " + other + " count";
        }
    }

    template <typename T>
    static void expected(const Result<T>& result) {
        if (result) return;
        const Errc code = result.error().code;
        must(code == Errc::not_found || code == Errc::in_use || code == Errc::unloaded || code == Errc::call_failed ||
             code == Errc::switch_timeout || code == Errc::exec_failed || code == Errc::import_deadlock);
    }

    void import() {
        ImportOptions options;
        if (pick(3) == 0) options.switch_deadline = milliseconds(3);
        const std::size_t which = pick(std::size(names));
        const auto module = lab_.loader.import(names[which], options);
        expected(module);
        if (!module) return;
        if (auto run = module->function("run")) functions_.push_back({which, std::move(*run)});
        if (functions_.size() > 20) functions_.erase(functions_.begin(), functions_.begin() + 10);
    }
    void call() {
        if (functions_.empty()) return;
        const Callable& callable = functions_[pick(functions_.size())];
        expected(callable.run({script(callable.module, pick(24))}));
    }
    void loop() {
        if (functions_.empty()) return;
        const std::string wanted = names[pick(std::size(names))];
        const std::size_t choice = pick(24);
        lab_.runtime.parallel_for(
            0, 16,
            [&](std::size_t i) {
                if (i == 7) expected(lab_.loader.import(wanted));
                const Callable& callable = functions_[i % functions_.size()];
                expected(callable.run({script(callable.module, choice + i)}));
            },
            1);
    }
    void attached() {
        Attached guard;
        exclusion_.enter();
        exclusion_.leave();
        safe_point();
        exclusion_.enter();
        exclusion_.leave();
        expected(lab_.loader.import(names[pick(std::size(names))]));
    }
    void fork() {
        const std::string wanted = names[pick(std::size(names))];
        const pid_t child = ::fork();
        if (child == 0) ::_exit(in_child(wanted));
        int status = 0;
        must(child > 0 && ::waitpid(child, &status, 0) == child);
        if (status != 0)
            ::fprintf(stderr, "the child of a fork ended with status %#x\n", static_cast<unsigned>(status));
        must(status == 0);
    }
    /// The number of what failed, or 0.
    int in_child(const std::string& wanted) noexcept {
        static_cast<void>(lab_.loader.import(wanted));
        const auto module = lab_.loader.import("free1");
        // On a machine that stops a thread for ten seconds, in the middle of a use of the dynamic linker.
        const bool lost = !module && module.error().code == Errc::wrong_state &&
                          module.error().message.find("call exec()") != std::string::npos;
        if (lost) return 0;
        if (!module) {
            ::fprintf(stderr, "in the child of a fork: %s\n", module.error().message.c_str());
            return 1;
        }
        if (!module->function("count").value()({}).ok()) return 2;
        static_cast<void>(lab_.loader.unload(wanted));
        if (lab_.runtime.stats().attached_threads != 0) return 3;
        const unsigned holds = lab_.runtime.stats().holds;
        return lab_.parallel() == (holds == 0) ? 0 : 4;
    }

    Lab& lab_;
    Exclusion& exclusion_;
    const bool forks_;
    std::mt19937 random_;
    std::vector<Callable> functions_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(everything_at_random) {
    const Settings settings;
    Lab lab({.change = [](LoaderOptions& options) { options.on_warning = [](const Warning&) {}; },
             .threads = static_cast<unsigned>(settings.executor)});
    Events::all().record(false);
    Events::all().script("free1:exec", "parallel 10 call lock1 count");
    Events::all().script("lock1:exec", "parallel 10 alone here");
    Events::all().script("lock2:exec", "import free3;parallel 4 import free3");
    Events::all().script("free3:exec", "import lock2;parallel 4 section here");
    Events::all().script("free2:exec", "import unm1;fail on purpose");
    Events::all().script("unm2:teardown", "parallel 4 call legacy1 count");
    Exclusion exclusion;
    {
        Threads threads;
        threads.start(static_cast<int>(settings.threads), [&](int number) {
            Walker walker(lab, exclusion, settings, static_cast<unsigned long>(number));
            for (unsigned long step = 0; step < settings.steps; ++step) walker.step();
        });
        threads.join();
    }
    BOOST_TEST(exclusion.violations() == 0);
    BOOST_TEST(lab.runtime.stats().attached_threads == 0u);
    // Nothing is left under way, and nobody keeps the mode but for a module that is loaded.
    unsigned need_the_lock = 0;
    for (const Module& module : lab.loader.modules()) need_the_lock += module.level() == ThreadingLevel::global_lock;
    BOOST_TEST(lab.runtime.stats().holds == need_the_lock);
    for (const std::string name : {"lock1", "lock2", "unm1", "unm2"})
        BOOST_TEST(lab.import(name).function("checked").value()({}).value().get<std::int64_t>() >= 0);
    for (const std::string name : {"free1", "lock1", "unm1", "unm2", "legacy1"}) {
        const auto unloaded = lab.loader.unload(name);
        BOOST_TEST((unloaded.ok() || unloaded.error().code == Errc::not_found), name);
    }
    BOOST_TEST(lab.runtime.stats().holds == 0u);
    BOOST_TEST(lab.parallel());
    Events::all().record(true);
}
