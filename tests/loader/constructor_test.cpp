// Constructors of libraries run in the middle of the dynamic linker: what they may ask of the host there, and what
// becomes of one that throws.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_constructor
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <exception>

#include "children.hpp"
#include "lab.hpp"
#include "support/why.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// Imports free1, whose constructor detaches until another thread that imports `module` waits for the dynamic linker,
/// and then runs `still_detached`.
void import_during_a_constructor(Lab& lab, const std::string& module, const std::function<void()>& still_detached) {
    Event inside;
    Sleeper other;
    Events::all().on("free1:constructor", [&] {
        inside.set();
        const Detached outside;
        must(other.sleeps());
        still_detached();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(lab.import("free1").loaded()); });
    threads.start([&] {
        inside.wait();
        other.begins();
        must(lab.import(module).loaded());
    });
    threads.join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_constructor_that_detaches_while_another_thread_imports) {
    Lab lab;
    lab.import("unm1");
    import_during_a_constructor(lab, "unm2", [] {});
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
    std::optional<Error> error;
    import_during_a_constructor(lab, "unm1", [&] {
        const auto result = lab.loader.import("unm1");
        if (!result) error = result.error();
    });
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
