// Code of a library that may still run when its module has been unloaded: the library stays mapped, and the user is
// told.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_lingering
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <thread>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool threads_are_seen = false;  // they begin in the sanitizer
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool threads_are_seen = false;
#else
constexpr bool threads_are_seen = true;
#endif
#else
constexpr bool threads_are_seen = true;
#endif

/// "lingers", imported, with something begun.
struct Lingering : Lab {
    explicit Lingering(const std::string& what) {
        Events::all().on("alive", [events = events] {
            events->alive.set();
            events->end.wait();
            events->ended.set();
            return 0;
        });
        Events::all().script("lingers:exec", what);
        import("lingers");
    }
    bool mapped() const { return stats("lingers").mapped; }
    struct Life {
        Event alive, end, ended;
    };
    std::shared_ptr<Life> events = std::make_shared<Life>();  // the thread may live longer than this
};

}  // namespace

// First, as the others leave the library mapped.
BOOST_AUTO_TEST_CASE(a_module_that_tidies_up_is_unmapped) {
    for (const std::string what : {"", "tidy signal", "tidy key", "tidy pthread", "tidy std::thread"}) {
        Lingering lab(what);
        lab.events->end.set();
        BOOST_TEST(lab.loader.unload("lingers").ok());
        BOOST_TEST(lab.mapped() == false, what);
        BOOST_TEST(lab.warnings().empty());
    }
}

BOOST_AUTO_TEST_CASE(what_may_still_run_keeps_the_library_mapped_and_is_named) {
    struct Row {
        const char *what, *named;
    };
    const Row rows[] = {
        {"signal", "the handler of signal 12 is a function of it"},
        {"pthread", ", which it began, has not ended"},
        {"std::thread", ", which it began, has not ended"},
        {"key", "the destructor of a pthread_key_t, which it has not deleted, is a function of it"},
    };
    for (const auto& [what, named] : rows) {
        const bool is_thread = std::string(what).find("thread") != std::string::npos;
        if (is_thread && !threads_are_seen) continue;
        // On a thread of its own, whose end runs the destructor of the key.
        std::thread([&] {
            Lingering lab(what);
            if (is_thread) lab.events->alive.wait();
            BOOST_TEST(lab.loader.unload("lingers").ok());
            BOOST_TEST(lab.mapped(), what);
            const std::vector<Warning> warnings = lab.warnings();
            BOOST_REQUIRE(warnings.size() == 1u);
            BOOST_TEST((warnings[0].category == WarningCategory::module));
            BOOST_TEST(warnings[0].headline.starts_with("the library of module 'lingers' stays mapped, as "),
                       warnings[0].headline);
            BOOST_TEST(warnings[0].headline.ends_with(named), warnings[0].headline);
            BOOST_TEST(warnings[0].details.back().text.find("IL_KEEP_MAPPED") != std::string::npos);
            lab.events->end.set();
            if (is_thread) lab.events->ended.wait();
        }).join();
        if (what == std::string("key")) BOOST_TEST(Events::all().count("destructor of a key") == 1u);
        std::signal(SIGUSR2, SIG_DFL);
        Events::all().clear();
    }
}

BOOST_AUTO_TEST_CASE(an_import_that_fails_leaves_the_library_mapped_too) {
    Lab lab;
    Events::all().script("lingers:exec", "signal fail");
    BOOST_TEST((lab.failure("lingers") == Errc::exec_failed));
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    BOOST_TEST(lab.warnings()[0].headline ==
               "the library of module 'lingers' stays mapped, as the handler of signal 12 is a function of it");
    BOOST_TEST((::raise(SIGUSR2) == 0));  // the handler is there
    std::signal(SIGUSR2, SIG_DFL);
}
