// fork(2) in the middle of everything: the child imports, calls and unloads.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_fork
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

#include "children.hpp"
#include "lab.hpp"
#include "linker_turn.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

// What the tests themselves keep has to survive a fork, too. Installed before the runtime's handlers, so that it is
// done after them, when nothing waits for anything any more.
[[maybe_unused]] const int events_survive =
    ::pthread_atfork([] { Events::all().lock(); }, [] { Events::all().unlock(); }, [] { Events::all().unlock(); });

/// How long a fork waits for the linker, for a scope.
class Patience {
public:
    explicit Patience(std::chrono::milliseconds wanted)
        : before_(std::exchange(detail::LinkerTurn::patience, wanted)) {}
    ~Patience() { detail::LinkerTurn::patience = before_; }
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;

private:
    std::chrono::milliseconds before_;
};

bool counts_to(const Lab& lab, const Module& module, std::int64_t expected) {
    static_cast<void>(lab);
    const auto count = module.function("count").value()({});
    return count.ok() && count->get<std::int64_t>() == expected;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_child_goes_on_with_everything) {
    Lab lab;
    const Module free = lab.import("free1"), unmarked = lab.import("unm1");
    BOOST_TEST(in_child([&] {
                   if (!counts_to(lab, free, 1) || !counts_to(lab, unmarked, 1)) return 1;
                   if (!counts_to(lab, lab.import("lock1"), 1)) return 2;
                   if (lab.parallel() || !lab.loader.unload("unm1").ok() || !lab.parallel()) return 3;
                   if (!counts_to(lab, lab.import("unm2"), 1) || lab.parallel()) return 4;
                   return lab.loader.modules().size() == 3 ? 0 : 5;
               }) == 0);
    // The parent is as it was.
    BOOST_TEST(counts_to(lab, free, 1));
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.modules().size() == 2u);
}

BOOST_AUTO_TEST_CASE(while_another_thread_imports) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        HeldUp import(name + ":exec", HeldUp::As::detached);
        Threads threads;
        threads.start([&] { lab.import(name); });
        import.wait();
        // In the child that import will never end. It begins anew there, and does not keep the mode.
        BOOST_TEST(in_child([&] {
                       if (!lab.parallel() || lab.runtime.stats().holds != 0) return 1;
                       if (!counts_to(lab, lab.import("free2"), 1)) return 2;
                       if (!counts_to(lab, lab.import(name), 1)) return 3;
                       if (lab.parallel() != (name != "unm1")) return 4;
                       if (!lab.loader.unload(name).ok() || !lab.parallel()) return 5;
                       const auto events = lab.loader.report().fallbacks;
                       if (name == "unm1" && (events.size() != 2 || events[0].outcome != "abandoned by a fork"))
                           return 6;
                       return 0;
                   }) == 0);
        import.release();
        threads.join();
        BOOST_TEST(counts_to(lab, lab.import(name), 1));
    }
}

BOOST_AUTO_TEST_CASE(while_another_thread_waits_for_an_import) {
    Lab lab;
    HeldUp import("free1:exec", HeldUp::As::detached);
    Threads threads;
    threads.start([&] { lab.import("free1"); });
    import.wait();
    std::atomic<int> begun{0};
    threads.start(2, [&](int) {
        ++begun;
        lab.import("free1");
    });
    while (begun.load() != 2) std::this_thread::yield();
    BOOST_TEST(in_child([&] {
                   return counts_to(lab, lab.import("free1"), 1) && lab.loader.unload("free1").ok() ? 0 : 1;
               }) == 0);
    import.release();
    threads.join();
}

BOOST_AUTO_TEST_CASE(inside_an_import_and_inside_a_call) {
    Lab lab;
    int inside_exec = -1, inside_call = -1;
    Events::all().on("unm1:exec", [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            // The child is in the middle of its own import, and ends it.
            inside_exec = 0;
            return 0;
        }
        inside_exec = status_of(child);
        return 0;
    });
    const pid_t parent = ::getpid();
    const Module module = lab.import("unm1");
    if (::getpid() != parent)
        ::_exit(counts_to(lab, module, 1) && !lab.parallel() && lab.loader.unload("unm1").ok() && lab.parallel() ? 0
                                                                                                                 : 1);
    BOOST_TEST(inside_exec == 0);
    Events::all().on("call", [&] {
        inside_call =
            in_child([&] { return counts_to(lab, lab.import("free1"), 1) && counts_to(lab, module, 1) ? 0 : 1; });
        return 0;
    });
    BOOST_TEST(lab.run(module, "observe call").ok());
    BOOST_TEST(inside_call == 0);
}

BOOST_AUTO_TEST_CASE(while_another_thread_unloads) {
    for (const std::string name : {"free1", "lock1", "unm1"}) {
        Lab lab;
        const Module module = lab.import(name);
        Visitor visitor(module, "detached stay", "stay");
        Threads threads;
        threads.start([&] { must(lab.loader.unload(name).ok()); });
        while (module.loaded()) std::this_thread::yield();
        // There is nobody left inside in the child, and nobody who unloads it.
        BOOST_TEST(in_child([&] {
                       if (!module.loaded() || !counts_to(lab, module, 1)) return 1;
                       if (lab.parallel() != (name != "unm1")) return 2;
                       if (!lab.loader.unload(name).ok() || !lab.parallel()) return 3;
                       return counts_to(lab, lab.import(name), 1) ? 0 : 4;
                   }) == 0);
        visitor.release();
        threads.join();
    }
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_a_teardown) {
    Lab lab;
    lab.import("unm1");
    HeldUp teardown("unm1:teardown", HeldUp::As::detached);
    Threads threads;
    threads.start([&] { must(lab.loader.unload("unm1").ok()); });
    teardown.wait();
    BOOST_TEST(in_child([&] {
                   if (!lab.parallel()) return 1;
                   if (lab.loader.find("unm1").ok()) return 2;
                   if (!counts_to(lab, lab.import("unm1"), 1) || lab.parallel()) return 3;
                   return lab.loader.unload("unm1").ok() && lab.parallel() ? 0 : 4;
               }) == 0);
    teardown.release();
    threads.join();
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_a_teardown_of_the_last_that_knows_a_module) {
    Lab lab;
    // free2 keeps what there was of a free1 that never came to be, and nobody else does.
    Events::all().script("free1:exec", "import free2;fail after all");
    Events::all().script("free2:exec", "import free1");
    BOOST_TEST((lab.failure("free1") == Errc::exec_failed));
    HeldUp teardown("free2:teardown", HeldUp::As::detached);
    Threads threads;
    threads.start([&] { must(lab.loader.unload("free2").ok()); });
    teardown.wait();
    BOOST_TEST(in_child([&] { return counts_to(lab, lab.import("free3"), 1) ? 0 : 1; }) == 0);
    teardown.release();
    threads.join();
}

BOOST_AUTO_TEST_CASE(between_a_switch_and_the_import_that_asked_for_it) {
    Event told, go_on;
    const pid_t parent = ::getpid();
    Events::all().clear();
    Runtime runtime({.threads = 1, .on_event = [&](const RuntimeEvent& event) {
                         if (event.kind != EventKind::mode_changed || ::getpid() != parent || told.happened()) return;
                         told.set();
                         go_on.wait();
                     }});
    Loader loader(runtime,
                  {.search_path = {MODULE_DIRECTORY}, .use_environment = false, .on_warning = [](const Warning&) {}});
    Threads threads;
    threads.start([&] { must(loader.import("unm1").ok()); });
    told.wait();
    BOOST_TEST(in_child([&] {
                   if (runtime.mode() != Mode::parallel || runtime.stats().holds != 0) return 1;
                   if (!loader.import("unm1").ok() || runtime.stats().holds != 1) return 2;
                   return loader.unload("unm1").ok() && runtime.mode() == Mode::parallel ? 0 : 3;
               }) == 0);
    go_on.set();
    threads.join();
    BOOST_TEST(runtime.stats().holds == 1u);
}

BOOST_AUTO_TEST_CASE(a_fork_waits_for_who_uses_the_linker_and_not_for_who_wants_to) {
    Lab lab;
    Event inside, go_on;
    const pid_t parent = ::getpid();
    Events::all().on("free1:constructor", [&] {
        if (::getpid() != parent) return 0;
        inside.set();
        go_on.wait();
        return 0;
    });
    std::atomic<int> answer{-1};
    Sleeper importer, forker;
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    inside.wait();
    threads.start([&] {
        importer.begins();
        must(lab.import("free2").loaded());
    });
    BOOST_TEST(importer.sleeps());
    threads.start([&] {
        forker.begins();
        answer = in_child([&] {
            if (Events::all().count("free2:constructor") != 0) return 1;
            return counts_to(lab, lab.import("free1"), 1) && counts_to(lab, lab.import("free2"), 1) ? 0 : 2;
        });
    });
    BOOST_TEST(forker.sleeps());
    go_on.set();
    threads.join();
    BOOST_TEST(answer.load() == 0);
}

BOOST_AUTO_TEST_CASE(a_child_that_is_forked_in_the_middle_of_a_use_of_the_linker_says_so) {
    const Patience none{std::chrono::milliseconds(0)};
    Lab lab;
    const Module loaded = lab.import("lock1");
    lab.import("unm1");
    Event inside, go_on;
    const pid_t parent = ::getpid();
    Events::all().on("free1:constructor", [&] {
        if (::getpid() != parent) return 0;
        inside.set();
        const Detached for_what_the_child_does_first;
        go_on.wait();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    inside.wait();
    BOOST_TEST(in_child([&] {
                   for (const std::string name : {"free1", "free2", "unm2"}) {
                       const auto failed = lab.loader.import(name);
                       if (failed || failed.error().code != Errc::wrong_state) return 1;
                       const std::string& why = failed.error().message;
                       if (why.find("while another thread mapped or unmapped the library of module 'free1'") ==
                           std::string::npos)
                           return 2;
                       if (why.find("call exec()") == std::string::npos) return 3;
                   }
                   // What is loaded can be used, and unloaded, though its library stays.
                   if (!counts_to(lab, loaded, 1) || !counts_to(lab, lab.import("unm1"), 1)) return 4;
                   if (lab.parallel() || !lab.loader.unload("unm1").ok() || !lab.parallel()) return 5;
                   if (!lab.loader.unload("lock1").ok() || Events::all().count("lock1:destructor") != 0) return 6;
                   return lab.loader.modules().empty() && lab.runtime.stats().holds == 0 ? 0 : 7;
               }) == 0);
    go_on.set();
    threads.join();
    // The parent is as it was, and so is a child that is forked when nobody uses the linker.
    BOOST_TEST(lab.loader.unload("free1").ok());
    BOOST_TEST(in_child([&] { return counts_to(lab, lab.import("free1"), 1) ? 0 : 1; }) == 0);
}

BOOST_AUTO_TEST_CASE(who_has_the_linkers_turn_and_waits_to_attach_does_not_use_it) {
    const Patience none{std::chrono::milliseconds(0)};
    Lab lab;
    lab.import("unm1");
    Event held, go_on;
    Sleeper importer;
    Threads threads;
    threads.start([&] {
        const Attached holds_the_global_lock;
        held.set();
        go_on.wait();
    });
    held.wait();
    threads.start([&] {
        importer.begins();
        must(lab.import("free1").loaded());
    });
    BOOST_TEST(importer.sleeps());
    BOOST_TEST(in_child([&] { return counts_to(lab, lab.import("free1"), 1) ? 0 : 1; }) == 0);
    go_on.set();
    threads.join();
}

BOOST_AUTO_TEST_CASE(a_constructor_may_fork_and_its_child_goes_on) {
    Lab lab;
    const pid_t parent = ::getpid();
    int answer = -1;
    Events::all().on("free1:constructor", [&] {
        if (const pid_t child = ::fork(); child != 0) {
            int status = 0;
            ::waitpid(child, &status, 0);
            answer = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
        return 0;
    });
    const Module module = lab.import("free1");
    if (::getpid() != parent) ::_exit(counts_to(lab, module, 1) && counts_to(lab, lab.import("lock1"), 1) ? 0 : 1);
    BOOST_TEST(answer == 0);
}

BOOST_AUTO_TEST_CASE(again_and_again_while_other_threads_work) {
    Lab lab({.change = [](LoaderOptions& options) { options.on_warning = [](const Warning&) {}; }});
    lab.import("free1");
    std::atomic<bool> stop{false};
    Threads threads;
    threads.start(3, [&](int i) {
        const std::string names[] = {"free2", "lock1", "unm1"};
        while (!stop.load()) {
            const auto module = lab.loader.import(names[i]);
            if (module) {
                const auto count = module->function("count");
                if (count) static_cast<void>((*count)({}));
            }
            static_cast<void>(lab.loader.unload(names[i]));
        }
    });
    for (int round = 0; round < 20; ++round)
        BOOST_TEST(in_child([&] {
                       for (const std::string name : {"free3", "lock2", "unm2"})
                           if (!counts_to(lab, lab.import(name), 1)) return 1;
                       if (lab.parallel()) return 2;
                       return lab.loader.unload("unm2").ok() ? 0 : 3;
                   }) == 0);
    stop = true;
    threads.join();
}
