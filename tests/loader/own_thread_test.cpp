// Threads that a module has made itself: they attach, obey the module's gate, and are told to end when it is unloaded.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_own_thread
#include <boost/test/unit_test.hpp>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr const char* all_levels[] = {"free", "module_lock", "global_lock"};

LabOptions under(const std::string& level) {
    return {.change = [level](LoaderOptions& options) {
        options.overrides = {{"own_thread", policy_action_from_name(level).value()}};
        options.on_log = [](il_log_level, std::string_view, std::string_view) {};
    }};
}

std::int64_t once(const Module& module, const char* kind, const char* event) {
    return module.function<std::int64_t(const char*, const char*)>("once").value()(kind, event).value();
}

/// Until threads of the module have done more work than before: they run beside the test, without end.
void wait_for_pieces(const Module& module, std::int64_t more) {
    const auto pieces = module.function<std::int64_t()>("pieces").value();
    const std::int64_t before = pieces().value();
    while (pieces().value() < before + more) std::this_thread::yield();
}

}  // namespace

BOOST_AUTO_TEST_CASE(it_runs_attached_and_has_every_service) {
    for (const char* level : all_levels) {
        BOOST_TEST_CONTEXT(level) {
            Lab lab(under(level));
            const Module module = lab.import("own_thread");
            const std::string mode = mode_name(lab.runtime.mode());
            BOOST_TEST(once(module, "tell", "own:piece") == IL_OK);
            BOOST_TEST(once(module, "nested", "own:nested") == IL_OK);
            BOOST_TEST(once(module, "import", "") == IL_OK);
            BOOST_TEST(once(module, "fail", "") == IL_ERROR_IO);
            BOOST_TEST(Events::all().count("own:piece") == 1u);
            const Texts told = Events::all().told();
            BOOST_TEST(told.at(0) == "own:piece " + mode);
            BOOST_TEST(told.at(1) == "own:nested " + mode);
            // What it imports, the module relies on.
            BOOST_TEST(!lab.loader.unload("free1").ok());
            BOOST_TEST(lab.loader.unload("own_thread").ok());
            BOOST_TEST(lab.loader.unload("free1").ok());
        }
    }
}

// The counter is a plain variable: ThreadSanitizer, and the sum, see two threads inside at once.
BOOST_AUTO_TEST_CASE(locks_hold_for_it) {
    for (const char* level : {"module_lock", "global_lock"}) {
        BOOST_TEST_CONTEXT(level) {
            Lab lab(under(level));
            const Module module = lab.import("own_thread");
            module.function<void(int)>("start").value()(3).value();
            wait_for_pieces(module, 1000);
            BOOST_TEST(lab.loader.unload("own_thread").ok());
            const ModuleStats stats = lab.stats("own_thread");
            BOOST_TEST(stats.calls_module_lock + stats.calls_global_lock > 1000u);
            BOOST_TEST(stats.calls_none == 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_unload_waits_for_its_piece_and_then_it_is_told_to_end) {
    Lab lab(under("module_lock"));
    for (int round = 0; round < 20; ++round) {
        const Module module = lab.import("own_thread");
        module.function<void(int)>("start").value()(4).value();
        wait_for_pieces(module, 10);
        Events::all().clear();
        BOOST_TEST(lab.loader.unload("own_thread").ok());
        BOOST_TEST(Events::all().count("own_thread:4 threads ended") == 1u);
        BOOST_TEST(!module.loaded());
    }
    BOOST_TEST(lab.runtime.stats().attached_threads == 0u);
}

BOOST_AUTO_TEST_CASE(a_switch_stops_it_as_any_other_thread) {
    Lab lab(under("module_lock"));
    const Module module = lab.import("own_thread");
    module.function<void(int)>("start").value()(2).value();
    for (int round = 0; round < 50; ++round) {
        lab.import("unm1");
        BOOST_TEST(!lab.parallel());
        wait_for_pieces(module, 10);
        BOOST_TEST(lab.loader.unload("unm1").ok());
        BOOST_TEST(lab.parallel());
    }
}
