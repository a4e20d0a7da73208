// Dotted names, packages and the search path.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_names
#include <boost/test/unit_test.hpp>

#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

BOOST_AUTO_TEST_CASE(names_that_are_none) {
    Lab lab;
    const std::string words =
        "components consist of letters, digits and _, and do not begin with a digit; give the name, not the path, and "
        "the "
        "folder with --path or INTERLOCK_PATH";
    const std::string empty = "a component between the dots is empty";
    const std::pair<std::string, std::string> rows[] = {
        {"", "'' is not a module name: it is empty"},
        {"..", "'..' is not a module name: " + empty},
        {".", "'.' is not a module name: " + empty},
        {"a.", "'a.' is not a module name: " + empty},
        {".a", "'.a' is not a module name: " + empty},
        {"a..b", "'a..b' is not a module name: " + empty},
        {"/", "'/' is not a module name: " + words},
        {"../free1", "'../free1' is not a module name: " + empty},
        {"a/../free1", "'a/../free1' is not a module name: " + words},
        {"free1.so/", "'free1.so/' is not a module name: " + words},
        {"1st", "'1st' is not a module name: " + words},
        {"a.1", "'a.1' is not a module name: " + words},
        {"a b", "'a b' is not a module name: " + words},
        {std::string("free1\0x", 7), "'free1\\x00x' is not a module name: " + words},
        {"\x1b[31m\n", "'\\x1b[31m\\n' is not a module name: " + words},
        {"na\xc3\xafve", "'na\xc3\xafve' is not a module name: " + words},
        {std::string(10'240, 'a'),
         "'" + std::string(80, 'a') + "...' is not a module name: it is longer than 1000 bytes"},
        {std::string(201, 'a'),
         "'" + std::string(80, 'a') + "...' is not a module name: a component is longer than 200 bytes"},
    };
    for (const auto& [name, message] : rows) {
        const auto result = lab.loader.import(name);
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST(result.error().code == Errc::invalid_name);
        BOOST_TEST(result.error().message == message);
        const auto plan = lab.loader.plan(name);
        BOOST_REQUIRE(!plan.ok());
        BOOST_TEST(plan.error().message == message);
    }
    BOOST_TEST(Events::all().told().empty());
}

BOOST_AUTO_TEST_CASE(names_of_the_greatest_length_are_looked_for) {
    Lab lab;
    BOOST_TEST((lab.failure(std::string(200, 'a')) == Errc::not_found));
    std::string longest = std::string(200, 'a');
    while (longest.size() + 200 <= 1000) longest += '.' + std::string(199, 'b');
    BOOST_TEST((lab.failure(longest) == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_module_that_is_not_there) {
    Lab lab;
    const auto message = [&](const std::string& name) { return lab.loader.import(name).error().message; };
    BOOST_TEST(message("fre1") == "no module named 'fre1'; searched '" MODULE_DIRECTORY "'; did you mean 'free1'?");
    BOOST_TEST(message("quite_different") == "no module named 'quite_different'; searched '" MODULE_DIRECTORY "'");
    BOOST_TEST(message("pkg.sup") == "no module named 'pkg.sup'; searched '" MODULE_DIRECTORY "'; did you mean 'sub'?");
    BOOST_TEST(message("free.sub").starts_with("no module named 'free'; "));
}

BOOST_AUTO_TEST_CASE(without_a_search_path) {
    Lab lab({.change = [](LoaderOptions& options) { options.search_path.clear(); }});
    BOOST_TEST(lab.loader.import("free1").error().message ==
               "no module named 'free1'; the search path is empty: give folders with --path or INTERLOCK_PATH");
}

BOOST_AUTO_TEST_CASE(a_package_comes_before_its_parts) {
    Lab lab;
    const Module part = lab.import("pkg.sub");
    BOOST_TEST(Events::all().told() == (Texts{"pkg:constructor parallel", "pkg:exec parallel",
                                              "pkg.sub:constructor parallel", "pkg.sub:exec parallel"}),
               boost::test_tools::per_element());
    BOOST_TEST(part.name() == "pkg.sub");
    BOOST_TEST(part.file() == std::filesystem::path(MODULE_DIRECTORY) / "pkg/sub.so");
    BOOST_TEST(lab.import("pkg").file() == std::filesystem::path(MODULE_DIRECTORY) / "pkg/__init__.so");
    BOOST_TEST(lab.stats("pkg").imported_by == (Texts{"import of 'pkg.sub'", "the test"}),
               boost::test_tools::per_element());
    const auto in_use = lab.loader.unload("pkg");
    BOOST_REQUIRE(!in_use.ok());
    BOOST_TEST(in_use.error().message ==
               "module 'pkg' cannot be unloaded, as it is imported by 'pkg.sub'; unload that first");
    BOOST_TEST(lab.loader.unload("pkg.sub").ok());
    BOOST_TEST(lab.loader.unload("pkg").ok());
}

BOOST_AUTO_TEST_CASE(a_package_that_imports_its_own_part) {
    Lab lab;
    Events::all().script("pkg:exec", "import pkg.sub");
    lab.import("pkg.sub");
    BOOST_TEST(Events::all().told() == (Texts{"pkg:constructor parallel", "pkg:exec parallel",
                                              "pkg.sub:constructor parallel", "pkg.sub:exec parallel"}),
               boost::test_tools::per_element());
    // It depends on its part, so it goes first.
    BOOST_TEST((lab.loader.unload("pkg.sub").error().code == Errc::in_use));
    BOOST_TEST(lab.loader.unload("pkg").ok());
    BOOST_TEST(lab.loader.unload("pkg.sub").ok());
}

BOOST_AUTO_TEST_CASE(a_folder_without_a_module_of_its_own_is_a_namespace) {
    Lab lab;
    BOOST_TEST(lab.import("ns.leaf").loaded());
    BOOST_TEST(Events::all().told() == (Texts{"ns.leaf:constructor parallel", "ns.leaf:exec parallel"}),
               boost::test_tools::per_element());
    BOOST_TEST((lab.failure("ns") == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_package_that_fails_takes_its_parts_along) {
    Lab lab;
    Events::all().on("pkg:exec", [] { return IL_ERROR_FAILED; });
    const auto result = lab.loader.import("pkg.sub");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::exec_failed);
    BOOST_TEST(Events::all().count("pkg.sub:constructor") == 0u);
}

BOOST_AUTO_TEST_CASE(an_unmarked_package_makes_its_marked_parts_fall_back) {
    Lab lab;
    const Plan plan = lab.loader.plan("unmpkg.part").value();
    BOOST_TEST(plan.would_fall_back);
    lab.import("unmpkg.part");
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.warned_modules() == (Texts{"unmpkg"}), boost::test_tools::per_element());
    BOOST_TEST(lab.loader.unload("unmpkg.part").ok());
    BOOST_TEST(lab.loader.unload("unmpkg").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(an_override_of_one_import_is_not_for_its_packages) {
    Lab lab;
    BOOST_TEST(lab.loader.import("unmpkg.part", {.threading = PolicyAction::module_lock}).ok());
    BOOST_TEST((lab.import("unmpkg").level() == ThreadingLevel::global_lock));
    BOOST_TEST((lab.import("unmpkg.part").level() == ThreadingLevel::module_lock));
}

BOOST_AUTO_TEST_CASE(folders_are_searched_in_order_and_then_those_of_the_environment) {
    TemporaryFolder first, second;
    copy_module("free1.so", first.path() / "free1.so");
    copy_module("free1.so", second.path() / "free1.so");
    copy_module("free2.so", second.path() / "free2.so");
    const std::string variable =
        "::" + second.path().string() + ":" + first.path().string() + "/.:" + MODULE_DIRECTORY + ":";
    ::setenv("INTERLOCK_PATH", variable.c_str(), 1);
    Lab lab({.change = [&](LoaderOptions& options) {
        options.search_path = {first.path()};
        options.use_environment = true;
    }});
    ::unsetenv("INTERLOCK_PATH");
    BOOST_TEST(lab.import("free1").file() == first.path() / "free1.so");
    BOOST_TEST(lab.import("free2").file() == second.path() / "free2.so");
    BOOST_TEST(lab.import("free3").file() == std::filesystem::path(MODULE_DIRECTORY) / "free3.so");
    BOOST_TEST(lab.loader.search_path().front() == first.path());
}

BOOST_AUTO_TEST_CASE(a_package_is_preferred_to_a_file_in_the_same_folder) {
    TemporaryFolder folder;
    copy_module("pkg/__init__.so", folder.path() / "pkg/__init__.so");
    copy_module("free1.so", folder.path() / "pkg.so");
    Lab lab({.change = [&](LoaderOptions& options) { options.search_path = {folder.path()}; }});
    BOOST_TEST(lab.import("pkg").file() == folder.path() / "pkg/__init__.so");
}

BOOST_AUTO_TEST_CASE(a_namespace_package_is_found_without_listing_folders) {
    TemporaryFolder folder;
    copy_module("ns/leaf.so", folder.path() / "ns/leaf.so");
    Lab lab({.change = [&](LoaderOptions& options) { options.search_path = {folder.path()}; }});
    const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    BOOST_REQUIRE(::inotify_add_watch(watch, folder.path().c_str(), IN_OPEN) >= 0);
    const auto listed = [&] {
        alignas(inotify_event) char events[4096];
        return ::read(watch, events, sizeof events) > 0;
    };
    BOOST_TEST(lab.loader.import("ns.leaf").ok());
    BOOST_TEST(!listed());
    // What the folder has is looked at for the sake of an error only.
    BOOST_TEST((lab.failure("leaf") == Errc::not_found));
    BOOST_TEST(listed());
    ::close(watch);
}
