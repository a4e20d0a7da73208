// Libraries of which only the mapping tells: constructors open them, or they were replaced. They are judged then, and
// the import switches late or is undone.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_unforeseen
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>

#include "pulled.hpp"

using namespace interlock;
using namespace interlock::test;

namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(what_appears_only_when_it_is_mapped_switches_late) {
    Lab lab(with());
    void* opened = nullptr;
    Events::all().on("needs_nothing:constructor", [&] {
        opened = ::dlopen(file_of("silent").c_str(), RTLD_NOW | RTLD_LOCAL);
        return 0;
    });
    const Module module = lab.import("needs_nothing");
    BOOST_REQUIRE(opened != nullptr);
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(module.decision().source == DecisionSource::library);
    const PulledLibrary silent = lab.stats("needs_nothing").libraries.back();
    BOOST_TEST(silent.file == file_of("silent"));
    BOOST_TEST(silent.origin == LibraryOrigin::opened);
    BOOST_TEST(silent.needs_lock());
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    CHECK_CONTAINS(details_of(lab.warnings()[0]), "it pulls in module 'silent' of '" + file_of("silent") +
                                                      "', which was not foreseen: its constructors have run");
    const Texts told = Events::all().told();
    BOOST_TEST((std::find(told.begin(), told.end(), "silent:constructor parallel") != told.end()));
    BOOST_TEST((std::find(told.begin(), told.end(), "needs_nothing:exec locked") != told.end()));
    ::dlclose(opened);
    BOOST_TEST(lab.loader.unload("needs_nothing").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(what_appears_only_when_it_is_mapped_may_be_refused) {
    for (const bool filter : {false, true}) {
        LabOptions options =
            filter ? with([](LoaderOptions& o) { o.filters = {parse_warning_filter("error:fallback").value()}; })
                   : under(refusing(R"({"file": "silent.so"})"));
        Lab lab(options);
        void* opened = nullptr;
        Events::all().on("needs_nothing:constructor", [&] {
            opened = ::dlopen(file_of("silent").c_str(), RTLD_NOW | RTLD_LOCAL);
            return 0;
        });
        const auto result = lab.loader.import("needs_nothing");
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST(result.error().code == (filter ? Errc::warning_as_error : Errc::refused));
        CHECK_CONTAINS(result.error().message, "its constructors have run");
        BOOST_TEST(Events::all().count("needs_nothing:exec") == 0u);
        BOOST_TEST(Events::all().count("needs_nothing:destructor") == 1u);
        BOOST_TEST(lab.parallel());
        BOOST_TEST(lab.runtime.stats().holds == 0u);
        ::dlclose(opened);
    }
}

BOOST_AUTO_TEST_CASE(what_a_constructor_imports_is_not_the_importers) {
    Lab lab(with());
    Events::all().on("needs_nothing:constructor", [&] {
        BOOST_TEST(lab.loader.import("needs_silent").ok());
        return 0;
    });
    const Module module = lab.import("needs_nothing");
    BOOST_TEST((module.level() == ThreadingLevel::free));
    BOOST_TEST(lab.stats("needs_silent").libraries.size() != 0u);
    BOOST_TEST(library(lab.stats("needs_nothing").libraries, "silent.so") == nullptr);
    BOOST_TEST(lab.loader.unload("needs_silent").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_library_that_is_replaced_between_the_plan_and_the_mapping) {
    for (const bool refused : {false, true}) {
        TemporaryFolder copies;
        for (const char* name : {"silent", "locked", "needs_silent"})
            fs::copy_file(file_of(name), copies.path() / (std::string(name) + ".so"));
        Event attached, release;
        Events::all().clear();
        // The switch that the import waits for is the place in between.
        Runtime runtime({.stall_report = std::chrono::milliseconds(1), .on_stall = [&](const StallReport&) {
                             if (release.happened()) return;
                             fs::rename(copies.path() / "locked.so", copies.path() / "silent.so");
                             release.set();
                         }});
        LoaderOptions options{.search_path = {copies.path()}, .use_environment = false};
        options.on_warning = [](const Warning&) {};
        if (refused) options.policy = parse_policy(refusing(R"({"module": "locked"})"), {}, today_utc()).policy;
        {
            Loader loader(runtime, options);
            Threads threads;
            threads.start([&] {
                const Attached guard;
                attached.set();
                release.wait();
            });
            attached.wait();
            const auto result = loader.import("needs_silent");
            threads.join();
            BOOST_TEST(result.ok() == !refused);
            if (refused) {
                BOOST_TEST(result.error().code == Errc::refused);
                CHECK_CONTAINS(result.error().message, "module 'locked'");
                CHECK_CONTAINS(result.error().message, "its constructors have run");
                BOOST_TEST((runtime.mode() == Mode::parallel));
            } else {
                const LoaderReport report = loader.report();
                BOOST_TEST(report.modules.back().libraries.back().origin == LibraryOrigin::opened);
                BOOST_TEST(report.modules.back().libraries.back().modules.front() == "locked");
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_library_that_was_replaced_after_it_had_been_mapped) {
    TemporaryFolder copies;
    for (const char* name : {"silent", "marked", "needs_silent"})
        fs::copy_file(file_of(name), copies.path() / (std::string(name) + ".so"));
    Lab lab(with({}, copies.path()));
    // It stays mapped, and a free one takes its place on the disk.
    void* held = ::dlopen((copies.path() / "silent.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    fs::rename(copies.path() / "marked.so", copies.path() / "silent.so");
    const Module module = lab.import("needs_silent");
    BOOST_TEST(!lab.parallel());
    const PulledLibrary silent = *library(lab.stats("needs_silent").libraries, "silent.so");
    BOOST_TEST(silent.origin == LibraryOrigin::loaded);
    CHECK_CONTAINS(silent.why, "its file has been replaced or removed since it was mapped");
    ::dlclose(held);
}
