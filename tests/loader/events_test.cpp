// What a host is told of: changes of the mode, imports, unloads, stalls; when, on which thread, in which order.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_events
#include <boost/test/unit_test.hpp>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// A runtime and a loader that write down what they tell.
class Told {
public:
    explicit Told(RuntimeOptions options = {}) : runtime(listening(std::move(options))), loader(runtime, silent()) {}

    std::vector<RuntimeEvent> events() const {
        std::lock_guard guard(mutex_);
        return events_;
    }
    /// "imported unm1 locked"
    Texts lines() const {
        Texts lines;
        for (const RuntimeEvent& event : events())
            lines.push_back(std::string(event_name(event.kind)) + ' ' + event.module + ' ' + mode_name(event.mode));
        return lines;
    }
    /// Called with each event, on its thread.
    std::function<void(const RuntimeEvent&)> hook;

private:
    RuntimeOptions listening(RuntimeOptions options) {
        test::Events::all().clear();
        options.threads = 2;
        options.on_event = [this](const RuntimeEvent& event) {
            {
                std::lock_guard guard(mutex_);
                events_.push_back(event);
            }
            if (hook) hook(event);
        };
        return options;
    }
    static LoaderOptions silent() {
        LoaderOptions options;
        options.search_path = {MODULE_DIRECTORY};
        options.use_environment = false;
        options.on_warning = [](const Warning&) {};
        return options;
    }
    mutable std::mutex mutex_;
    std::vector<RuntimeEvent> events_;

public:
    Runtime runtime;
    Loader loader;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_change_is_told_of_once_and_in_order) {
    Told told;
    told.loader.import("free1").value();
    told.loader.import("free1").value();  // is loaded
    told.loader.import("unm1").value();
    told.loader.import("unm2").value();
    BOOST_TEST(!told.loader.import("no_such").ok());
    BOOST_TEST(told.loader.unload("unm1").ok());
    BOOST_TEST(!told.loader.unload("unm1").ok());
    BOOST_TEST(told.loader.unload("unm2").ok());
    BOOST_TEST(told.lines() == (Texts{"imported free1 parallel", "mode_changed  locked", "imported unm1 locked",
                                      "imported unm2 locked", "import_failed no_such locked", "unloaded unm1 locked",
                                      "mode_changed  parallel", "unloaded unm2 parallel"}),
               boost::test_tools::per_element());
    std::uint64_t number = 0;
    for (const RuntimeEvent& event : told.events()) BOOST_TEST(event.number == ++number);
    const RuntimeEvent imported = told.events().at(2), changed = told.events().at(1), failed = told.events().at(4);
    BOOST_TEST(imported.text == MODULE_DIRECTORY "/unm1.so");
    BOOST_TEST(imported.duration == told.loader.report().modules.at(1).import_duration);
    BOOST_TEST(changed.text == "import of 'unm1'");
    BOOST_TEST(changed.duration == told.runtime.stats().last_switch);
    BOOST_TEST(failed.text.starts_with("no module named 'no_such'"), failed.text);
    BOOST_TEST((changed.at <= imported.at));
}

BOOST_AUTO_TEST_CASE(the_destructor_of_the_loader_tells_what_it_unloads) {
    std::vector<std::string> unloaded;
    test::Events::all().clear();
    Runtime runtime({.on_event = [&](const RuntimeEvent& event) {
        if (event.kind == EventKind::unloaded) unloaded.push_back(event.module);
    }});
    {
        Loader loader(runtime, {.search_path = {MODULE_DIRECTORY}, .use_environment = false});
        loader.import("free1").value();
        loader.import("free2").value();
    }
    BOOST_TEST(unloaded == (Texts{"free2", "free1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_callback_may_do_anything_and_throw) {
    bool attached = true;  // told to the end of the loader
    Told told;
    told.hook = [&](const RuntimeEvent& event) {
        attached = attached && is_attached();
        if (event.kind == EventKind::imported && event.module == "unm1") {
            told.loader.import("free1").value();
            must(told.loader.unload("unm1").ok());
        }
        throw 1;
    };
    {
        const Attached here;  // the thread that imports is; the callback is not
        BOOST_TEST(told.loader.import("unm1").ok());
    }
    BOOST_TEST(!attached);
    BOOST_TEST((told.runtime.mode() == Mode::parallel));
    BOOST_TEST(told.lines() == (Texts{"mode_changed  locked", "imported unm1 locked", "imported free1 locked",
                                      "mode_changed  parallel", "unloaded unm1 parallel"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stall_and_a_switch_that_gives_up) {
    Event attached, release;
    std::atomic<bool> stalled{false};
    Told told({.stall_report = std::chrono::milliseconds(1), .on_stall = [](const StallReport&) {}});
    told.hook = [&](const RuntimeEvent& event) { stalled = stalled || event.kind == EventKind::stalled; };
    Threads threads;
    threads.start([&] {
        const Attached here;
        attached.set();
        release.wait();
    });
    attached.wait();
    for (int ms = 2; !stalled; ms *= 2) {  // a busy machine may need longer
        const auto report = told.runtime.switch_to_locked("the test", std::chrono::milliseconds(ms));
        BOOST_REQUIRE(!report.ok());
        BOOST_TEST((told.events().back().kind == EventKind::switch_failed));
        BOOST_TEST(told.events().back().text == report.error().message);
    }
    release.set();
    threads.join();
    for (const RuntimeEvent& event : told.events())
        if (event.kind == EventKind::stalled)
            BOOST_TEST(event.text.starts_with("switching to locked mode (the test) has waited "), event.text);
}
