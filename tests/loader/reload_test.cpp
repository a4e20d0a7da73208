// Reloading: what becomes of functions of the version before, of calls that are under way, and when it fails.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_reload
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// A folder with one version of the module at a time, and a loader over it.
class Versions {
public:
    explicit Versions(PolicyAction level = PolicyAction::free)
        : lab({.change = [this, level](LoaderOptions& options) {
              options.search_path = {folder.path(), MODULE_DIRECTORY};
              options.overrides = {{"versioned", level}};
          }}) {}
    ~Versions() { BOOST_TEST(lab.runtime.stats().attached_threads == 0u); }

    /// As an installer does it: the new file takes the name of the old one.
    void install(int version) {
        const auto fresh = folder.path() / "fresh";
        copy_module("version" + std::to_string(version) + "/versioned.so", fresh);
        std::filesystem::rename(fresh, folder.path() / "versioned.so");
    }
    Result<Module> reload(const ReloadOptions& options = {}) { return lab.loader.reload("versioned", options); }

    TemporaryFolder folder;
    Lab lab;
};

Errc code_of(const Function& function) {
    const Result<Value> result = function({});
    BOOST_REQUIRE(!result.ok());
    return result.error().code;
}
std::string message_of(const Function& function) { return function({}).error().message; }

}  // namespace

BOOST_AUTO_TEST_CASE(functions_go_on_to_the_new_version_if_their_signature_is_the_same) {
    for (const PolicyAction level : {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock}) {
        Versions versions(level);
        versions.install(1);
        const Module before = versions.lab.import("versioned");
        const Function version = before.function("version").value(), changed = before.function("changed").value(),
                       old = before.function("old").value();
        const auto typed = before.function<std::int64_t()>("version").value();
        const auto text = before.function<std::string()>("text").value();
        BOOST_TEST(typed().value() == 1);
        versions.install(2);
        const Module after = versions.reload().value();
        BOOST_TEST(!before.loaded());
        BOOST_TEST(after.loaded());

        BOOST_TEST((version({}).value() == number(2)));
        BOOST_TEST(typed().value() == 2);
        BOOST_TEST(text().value() == "version 2");
        Scope scope;
        il_value result;
        BOOST_TEST(version.call(scope, {}, result) == IL_OK);
        BOOST_TEST(result.as.int64 == 2);
        BOOST_TEST((after.function("new").value()({}).value() == number(2)));

        BOOST_TEST((code_of(changed) == Errc::unloaded));
        BOOST_TEST(message_of(changed) ==
                   "versioned.changed: module 'versioned' was reloaded, and versioned.changed has "
                   "another signature: it was 'changed() -> int' and is 'changed(deep) -> int'; "
                   "get the function anew");
        BOOST_TEST((code_of(old) == Errc::unloaded));
        BOOST_TEST(message_of(old) ==
                   "versioned.old: module 'versioned' was reloaded, and has no versioned.old any more");
        BOOST_TEST(old.call(scope, {}, result) == IL_ERROR_STATE);

        // And further, also back.
        versions.install(1);
        versions.reload().value();
        BOOST_TEST(typed().value() == 1);
        BOOST_TEST((changed({}).value() == number(1)));
        BOOST_TEST((after.function("version").ok()) == false);
        // Of those that are gone only the last one is kept.
        const auto modules = versions.lab.loader.report().modules;
        BOOST_REQUIRE(modules.size() == 2u);
        BOOST_TEST(modules[0].loads == 2u);
        BOOST_TEST(modules[1].loads == 3u);
    }
}

BOOST_AUTO_TEST_CASE(after_an_unload_nothing_follows) {
    Versions versions;
    versions.install(1);
    const Function version = versions.lab.import("versioned").function("version").value();
    versions.reload().value();
    BOOST_TEST(versions.lab.loader.unload("versioned").ok());
    BOOST_TEST((code_of(version) == Errc::unloaded));
    BOOST_TEST((versions.reload().error().code == Errc::not_found));
    versions.lab.import("versioned");
    BOOST_TEST((code_of(version) == Errc::unloaded));
    BOOST_TEST((versions.lab.loader.reload("free1").error().code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_file_with_a_fault_changes_nothing) {
    Versions versions;
    versions.install(1);
    const Module module = versions.lab.import("versioned");
    const Function version = module.function("version").value();
    const std::filesystem::path file = versions.folder.path() / "versioned.so";
    std::filesystem::remove(file);
    BOOST_TEST((versions.reload().error().code == Errc::not_found));
    versions.folder.write("versioned.so", "no library");
    BOOST_TEST((versions.reload().error().code == Errc::malformed_file));
    versions.install(2);
    BOOST_TEST((versions.reload({.import = {.threading = PolicyAction::refuse}}).error().code == Errc::refused));
    BOOST_TEST(module.loaded());
    BOOST_TEST((version({}).value() == number(1)));
    BOOST_TEST(Events::all().count("versioned:exec") == 1u);
    BOOST_TEST((versions.reload().value().function("version").value()({}).value() == number(2)));
}

BOOST_AUTO_TEST_CASE(a_version_whose_exec_fails_leaves_nothing_until_one_works) {
    Versions versions;
    versions.install(1);
    const Function version = versions.lab.import("versioned").function("version").value();
    versions.install(2);
    Events::all().on("versioned:exec", [] { return 7; });
    BOOST_TEST((versions.reload().error().code == Errc::exec_failed));
    BOOST_TEST((code_of(version) == Errc::unloaded));
    BOOST_TEST((versions.reload().error().code == Errc::exec_failed));
    Events::all().on("versioned:exec", [] { return 0; });
    versions.reload().value();
    BOOST_TEST((version({}).value() == number(2)));
}

BOOST_AUTO_TEST_CASE(calls_under_way_end_in_the_old_version_and_those_that_come_wait) {
    Versions versions;
    versions.install(1);
    const Module module = versions.lab.import("versioned");
    const auto stay = module.function<std::int64_t()>("stay").value(),
               version = module.function<std::int64_t()>("version").value();
    Event inside, leave, executes;
    Events::all().on("versioned:stay", [&] {
        inside.set();
        leave.wait();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(stay().value() == 1); });
    inside.wait();
    // Nobody gets in, and it gives up.
    const auto late = versions.reload({.unload = {.timeout = std::chrono::milliseconds(1)}});
    BOOST_TEST((late.error().code == Errc::in_use));
    BOOST_TEST(version().value() == 1);

    versions.install(2);
    Events::all().on("versioned:exec", [&] {
        executes.set();
        return 0;
    });
    threads.start([&] { versions.reload().value(); });
    threads.start([&] {
        while (!executes.happened()) {
            const std::int64_t answer = version().value();  // waits while the old one is closed
            must(answer == 1 || answer == 2);
        }
    });
    // Calls come in all the time, on all ways, while the old version empties.
    threads.start(2, [&](int) {
        const Attached attached;
        for (int i = 0; i < 100; ++i) must(module.function<void()>("version").ok() || version().value() == 2);
    });
    leave.set();
    threads.join();
    BOOST_TEST(version().value() == 2);
}

BOOST_AUTO_TEST_CASE(many_reloads_under_load) {
    Versions versions(PolicyAction::module_lock);
    versions.install(1);
    const Module module = versions.lab.import("versioned");
    const auto version = module.function<std::int64_t()>("version").value();
    const auto text = module.function<std::string()>("text").value();
    std::atomic<bool> enough{false};
    Threads threads;
    for (int t = 0; t < 3; ++t)
        threads.start([&] {
            Scope scope;
            il_value result;
            while (!enough) {
                const std::int64_t answer = version().value();
                must(answer == 1 || answer == 2);
                must(text().value().starts_with("version "));
                must(version.untyped().call(scope, {}, result) == IL_OK);
            }
        });
    threads.start([&] {
        for (int i = 0; i < 40; ++i) {
            versions.install(1 + i % 2);
            versions.reload().value();
        }
        enough = true;
    });
    threads.join();
    BOOST_TEST(version().value() == 2);
}

BOOST_AUTO_TEST_CASE(who_runs_code_of_a_module_does_not_wait_for_a_reload) {
    Versions versions;
    versions.install(1);
    const Module module = versions.lab.import("versioned");
    const Function version = module.function("version").value();
    // From its own exec, on the thread that reloads: it would wait for itself.
    std::optional<Errc> met;
    std::string said;
    std::optional<Errc> nested;
    Events::all().on("versioned:exec", [&] {
        const Result<Value> result = version({});
        met = result.ok() ? std::nullopt : std::optional(result.error().code);
        if (!result) said = result.error().message;
        const auto again = versions.reload();
        nested = again.ok() ? std::nullopt : std::optional(again.error().code);
        return 0;
    });
    versions.reload().value();
    BOOST_TEST((met == Errc::unloaded));
    BOOST_TEST(said.find("is being reloaded, and that may wait for this thread") != std::string::npos, said);
    BOOST_TEST((nested == Errc::in_use));
    BOOST_TEST((version({}).value() == number(1)));

    Events::all().on("versioned:stay", [&] {
        nested = versions.reload().error().code;  // inside one of its own calls
        return 0;
    });
    BOOST_TEST((module.function("stay").ok() || version({}).ok()));
    const Function stay = versions.lab.loader.find("versioned").value().function("stay").value();
    BOOST_TEST((stay({}).value() == number(1)));
    BOOST_TEST((nested == Errc::in_use));
}

BOOST_AUTO_TEST_CASE(a_module_that_others_have_imported_stays) {
    Versions versions;
    versions.install(1);
    const Module user = versions.lab.import("free1");
    versions.lab.run(user, "import versioned").value();
    const auto refused = versions.reload();
    BOOST_TEST((refused.error().code == Errc::in_use));
    BOOST_TEST(refused.error().message ==
               "module 'versioned' cannot be unloaded, as it is imported by 'free1'; unload that first");
    BOOST_TEST((versions.lab.run(user, "call versioned version").value() == number(1)));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_forked_meanwhile_does_not_wait_for_it) {
    Versions versions;
    versions.install(1);
    const Function version = versions.lab.import("versioned").function("version").value();
    Event executes, forked;
    Events::all().on("versioned:exec", [&] {
        executes.set();
        const Detached while_waiting;
        forked.wait();
        return 0;
    });
    Threads threads;
    threads.start([&] { versions.reload().value(); });
    executes.wait();
    Events::all().lock();
    const pid_t child = ::fork();
    Events::all().unlock();
    if (child == 0) {
        alarm(60);
        _exit(version({}).ok() ? 1 : 0);  // the version that was being made is not there
    }
    int status = -1;
    BOOST_TEST(::waitpid(child, &status, 0) == child);
    forked.set();
    threads.join();
    BOOST_TEST(status == 0);
    BOOST_TEST((version({}).value() == number(1)));
}
