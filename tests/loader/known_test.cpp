// Importing what is loaded already: each thread knows some modules, and that must make no difference but in speed.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_known
#include <boost/test/unit_test.hpp>

#include <pthread.h>

#include "children.hpp"
#include "known.hpp"
#include "lab.hpp"
#include "support/thread_sanitizer.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

std::shared_ptr<detail::ModuleRecord> known_here(const char* name) {
    return detail::KnownModules::find(detail::KnownModules::host, name);
}

/// Imports a module so often that this thread knows it.
Module learn(Lab& lab, const char* name) {
    lab.import(name);
    const Module module = lab.import(name);
    must(known_here(name) != nullptr);
    return module;
}

/// Called in the middle of the next fork. Installed before the runtime's handlers, so that it runs when they are done.
std::function<void()> in_the_middle_of_a_fork;
[[maybe_unused]] const int handler = ::pthread_atfork(
    [] {
        if (in_the_middle_of_a_fork) in_the_middle_of_a_fork();
    },
    nullptr, nullptr);

/// A thread that knows "free1", and imports it once more when it is told to.
class Knowing {
public:
    explicit Knowing(Lab& lab) {
        threads_.start([&] {
            learn(lab, "free1");
            knows_.set();
            while (!again_) std::this_thread::yield();
            sleeper_.begins();
            module.emplace(lab.import("free1"));
            sleeper_.ended();
        });
        knows_.wait();
    }
    /// False if it waits for something.
    bool imports_at_once() {
        again_ = true;
        return !sleeper_.sleeps();
    }
    void join() { threads_.join(); }
    std::optional<Module> module;

private:
    Event knows_;
    std::atomic<bool> again_{false};
    Sleeper sleeper_;
    Threads threads_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_import_of_what_is_known_is_the_same_module) {
    Lab lab;
    const Module first = lab.import("free1");
    BOOST_TEST((known_here("free1") == nullptr));
    const Module second = learn(lab, "free1"), third = lab.loader.find("free1").value();
    for (const Module& module : {first, second, third}) BOOST_TEST(module.function("count").value()({}).ok());
    BOOST_TEST(third.function("count").value()({}).value().get<std::int64_t>() == 4);
    BOOST_TEST(lab.stats("free1").loads == 1u);
    BOOST_TEST(Events::all().count("free1:exec") == 1u);
    testing::on_other_thread([&] {
        must(known_here("free1") == nullptr);
        learn(lab, "free1");
    });
}

BOOST_AUTO_TEST_CASE(an_import_waits_for_an_unloading_that_has_begun) {
    Lab lab;
    const Module old = lab.import("free1");
    Knowing other(lab);
    Threads threads;
    {
        Visitor visitor(old, "detached stay", "stay");
        threads.start([&] { must(lab.loader.unload("free1").ok()); });
        while (old.loaded()) std::this_thread::yield();
        BOOST_TEST(!other.imports_at_once());
    }
    threads.join();
    other.join();
    BOOST_TEST(!old.loaded());
    BOOST_TEST(other.module->loaded());
    BOOST_TEST(lab.stats("free1").loads == 2u);
}

BOOST_AUTO_TEST_CASE(an_unloading_that_gives_up_changes_nothing) {
    Lab lab;
    const Module module = learn(lab, "free1");
    Knowing other(lab);
    {
        Visitor visitor(module, "detached stay", "stay");
        BOOST_TEST(!lab.loader.unload("free1", {.timeout = std::chrono::milliseconds(1)}).ok());
    }
    other.imports_at_once();
    other.join();
    BOOST_TEST(other.module->loaded());
    BOOST_TEST(learn(lab, "free1").loaded());
    BOOST_TEST(lab.stats("free1").loads == 1u);
}

BOOST_AUTO_TEST_CASE(after_an_unloading_nobody_knows_it_and_nothing_is_kept) {
    Lab lab;
    std::weak_ptr<detail::ModuleRecord> here, elsewhere;
    learn(lab, "free1");
    here = known_here("free1");
    testing::on_other_thread([&] {
        learn(lab, "free1");
        elsewhere = known_here("free1");
    });
    BOOST_TEST(!here.expired());
    BOOST_TEST(!elsewhere.expired());  // the thread has ended; the next one may profit
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_TEST(here.expired());
    BOOST_TEST(elsewhere.expired());
    BOOST_TEST(!lab.loader.find("free1").ok());
}

BOOST_AUTO_TEST_CASE(after_a_reload_it_is_the_new_version) {
    Lab lab;
    const Module old = learn(lab, "free1");
    Knowing other(lab);
    BOOST_TEST(lab.loader.reload("free1").ok());
    BOOST_TEST(!old.loaded());
    BOOST_TEST(learn(lab, "free1").loaded());
    other.imports_at_once();
    other.join();
    BOOST_TEST(other.module->loaded());
}

BOOST_AUTO_TEST_CASE(who_imported_it_counts_for_each_importer) {
    Lab lab;
    learn(lab, "free3");
    for (const std::string name : {"free1", "free2"})
        for (int time = 0; time < 3; ++time) BOOST_TEST(lab.run(lab.import(name), "import free3").ok());
    for (const std::string name : {"free1", "free2"}) {
        const Outcome used = lab.loader.unload("free3");
        BOOST_REQUIRE(!used.ok());
        BOOST_TEST(used.error().message.find('\'' + name + '\'') != std::string::npos, used.error().message);
        BOOST_TEST(lab.loader.unload(name).ok());
        // Imported anew it has imported nothing yet.
        BOOST_TEST(lab.import(name).loaded());
    }
    BOOST_TEST(lab.loader.unload("free3").ok());
}

BOOST_AUTO_TEST_CASE(a_module_that_never_came_to_be_is_not_known) {
    Lab lab;
    Events::all().script("free1:exec", "import free2;fail after all");
    Events::all().script("free2:exec", "import free1;import free1");
    BOOST_TEST((lab.failure("free1") == Errc::exec_failed));
    Events::all().script("free1:exec", "");
    BOOST_TEST(lab.run(lab.import("free2"), "call free1 count").ok());
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(two_modules_in_one_place) {
    Lab lab;
    // More pairs of importer and name than there are places.
    for (int time = 0; time < 3; ++time)
        for (const char* name : {"free1", "free2", "free3"})
            for (int importer = 0; importer < 50; ++importer) {
                const auto serial = static_cast<std::uint64_t>(1'000'000 + importer);
                BOOST_TEST(learn(lab, name).name() == name);
                const auto record = known_here(name);
                detail::KnownModules::remember(serial, record);
                BOOST_TEST((detail::KnownModules::find(serial, name) == record));
            }
}

BOOST_AUTO_TEST_CASE(the_child_of_a_fork_finds_no_thread_in_the_middle_of_it) {
    Lab lab;
    learn(lab, "free1");
    Knowing other(lab);
    bool at_once = true;
    in_the_middle_of_a_fork = [&] { at_once = other.imports_at_once(); };
    const int wrong = in_child([&] {
        in_the_middle_of_a_fork = nullptr;
        if (known_here("free1") == nullptr) return 1;
        // On the other one's slot, as that one is not here.
        if (!under_thread_sanitizer) testing::on_other_thread([&] { must(learn(lab, "free1").loaded()); });
        return lab.loader.unload("free1").ok() && !lab.loader.find("free1").ok() && lab.import("free1").loaded() ? 0
                                                                                                                 : 2;
    });
    in_the_middle_of_a_fork = nullptr;
    BOOST_TEST(wrong == 0);
    BOOST_TEST(!at_once);
    other.join();
    BOOST_TEST(other.module->loaded());
}
