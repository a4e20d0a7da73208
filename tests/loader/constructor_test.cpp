// Constructors of libraries run in the middle of the dynamic linker: what they may ask of the host there, and what
// becomes of one that throws.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_constructor
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "lab.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// A thread that is about to import something, and then has to wait for the dynamic linker.
class Importer {
public:
    void begins() { thread_.store(::gettid()); }
    /// Until it sleeps, which it does nowhere else on its way.
    void wait_until_it_waits() const {
        for (;; std::this_thread::yield()) {
            if (thread_.load() == 0) continue;
            const std::string stat = text_of("/proc/self/task/" + std::to_string(thread_.load()) + "/stat");
            if (stat.find(") S ") != std::string::npos) return;
        }
    }

private:
    std::atomic<pid_t> thread_{0};
};

struct Death {
    bool aborted = false;
    std::string said;
};

/// What a child writes to stderr when `action` ends it.
template <typename Action>
Death death_of(Action action) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        ::signal(SIGABRT, SIG_DFL);
        ::alarm(20);
        action();
        ::_exit(0);
    }
    ::close(ends[1]);
    Death death;
    char buffer[1000];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        death.said.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    death.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    return death;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_constructor_that_detaches_while_another_thread_imports) {
    Lab lab;
    lab.import("unm1");
    Event inside;
    Importer other;
    Events::all().on("free1:constructor", [&] {
        inside.set();
        const Detached for_work_that_blocks;
        other.wait_until_it_waits();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    threads.start([&] {
        inside.wait();
        other.begins();
        must(lab.import("unm2").loaded());
    });
    threads.join();
    BOOST_TEST(!lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_constructor_imports_what_nobody_else_imports) {
    Lab lab;
    Events::all().on("free1:constructor", [&] {
        must(lab.loader.import("unm1").ok());
        return 0;
    });
    BOOST_TEST(lab.import("free1").loaded());
    BOOST_TEST(lab.import("unm1").loaded());
    BOOST_TEST(!lab.parallel());
}

BOOST_AUTO_TEST_CASE(a_constructor_does_not_wait_for_the_import_of_another_thread) {
    Lab lab;
    Event inside;
    Importer other;
    std::optional<Error> error;
    Events::all().on("free1:constructor", [&] {
        inside.set();
        const Detached outside;
        other.wait_until_it_waits();
        const auto result = lab.loader.import("unm1");
        if (!result) error = result.error();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    threads.start([&] {
        inside.wait();
        other.begins();
        must(lab.import("unm1").loaded());
    });
    threads.join();
    BOOST_REQUIRE(error.has_value());
    BOOST_TEST((error->code == Errc::import_deadlock));
    BOOST_TEST(error->message.find("is being imported by another thread") != std::string::npos, error->message);
    BOOST_TEST(error->message.ends_with("import it in exec"), error->message);
    BOOST_TEST(lab.import("unm1").loaded());
}

BOOST_AUTO_TEST_CASE(a_constructor_that_throws_ends_the_program_and_names_its_module) {
    const Death death = death_of([] {
        Lab lab;
        Events::all().on("explodes:constructor", [] { return 1; });
        lab.import("explodes");
    });
    BOOST_TEST(death.aborted);
    BOOST_TEST(death.said.find("interlock: fatal: module 'explodes' from '" MODULE_DIRECTORY "/explodes.so': a "
                               "constructor or destructor of its library ") != std::string::npos,
               death.said);
    BOOST_TEST(death.said.find("settings.ini is missing") != std::string::npos, death.said);
}

BOOST_AUTO_TEST_CASE(a_destructor_that_throws_ends_the_program_and_names_its_module) {
    const Death death = death_of([] {
        Lab lab;
        lab.import("explodes");
        Events::all().on("explodes:destructor", [] { return 1; });
        lab.loader.unload("explodes").value();
    });
    BOOST_TEST(death.aborted);
    BOOST_TEST(death.said.find("interlock: fatal: module 'explodes' from '") != std::string::npos, death.said);
}

BOOST_AUTO_TEST_CASE(a_handler_of_the_host_for_terminate_stays_in_place) {
    static const auto handler = [] { ::_exit(7); };
    const std::terminate_handler before = std::set_terminate(handler);
    {
        Lab lab;
        BOOST_TEST(lab.import("explodes").loaded());
        BOOST_TEST((std::get_terminate() == static_cast<std::terminate_handler>(handler)));
    }
    BOOST_TEST((std::get_terminate() == static_cast<std::terminate_handler>(handler)));
    std::set_terminate(before);
}
