// libraries_test.cpp: which library a name leads to: a module gets its own, and the audit the quick ones; and what
// those mean that come with a module.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_libraries
#include <boost/test/unit_test.hpp>

#include "run_support.hpp"

using namespace interlock::test;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
    return count;
}

/// The libraries of a module in a plan or a report. The linker itself has one name in files and another as a program.
std::string listed(const Json& module) {
    Json libraries = module.at("libraries");
    for (Json& library : libraries)
        library["file"] = std::filesystem::canonical(library.at("file").get<std::string>()).string();
    return libraries.dump();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_module_gets_its_own_functions_and_not_those_of_the_command) {
    const std::string expected = "[1000,1001,1002,1003,1004,1005,1006,1007,1008,1009,1010]";
    const Folder folder;
    const std::string file = folder.write("file", "");
    const Finished called = call_with_modules({"call", "own_libraries.ask"});
    CHECK_STATUS(called, 0);
    BOOST_TEST(called.out == expected + "\n");
    const Finished mapped = call_with_modules(run("own_libraries.ask", {"-q", file}));
    CHECK_STATUS(mapped, 0);
    BOOST_REQUIRE(results_of(mapped).size() == 1u);
    BOOST_TEST(results_of(mapped)[0].result.dump() == expected);
}

BOOST_AUTO_TEST_CASE(crc32_is_that_of_zlib) {
    // Unicorn exports one as well, which is slow.
    const Finished finished = call({"audit", "--no-progress", module_folder() + "/probe.so"},
                                   {{"LD_DEBUG", "bindings"}, {"LD_BIND_NOW", "1"}});
    CHECK_STATUS(finished, 0);
    std::size_t bindings = 0;
    for (const std::string& line : lines_of(finished.err)) {
        if (!contains(line, "normal symbol `crc32'")) continue;
        ++bindings;
        BOOST_TEST(contains(line.substr(line.find(" to ")), "/libz.so"), line);
    }
    BOOST_TEST(bindings != 0u);
}

BOOST_AUTO_TEST_CASE(the_other_program_may_lie_beside_and_is_named_when_it_is_missing) {
    const Folder folder;
    Command copied = command({"explain", "IL001"});
    const std::filesystem::path original = copied.program;
    copied.program = folder / "interlock";
    std::filesystem::copy_file(original, copied.program);
    const Finished alone = run_process(copied);
    CHECK_STATUS(alone, 3);
    BOOST_TEST(alone.out == "");
    CHECK_CONTAINS(alone.err, "interlock: error: cannot run '");
    CHECK_CONTAINS(alone.err,
                   "interlock-audit', the part of the command that this verb is in: No such file or directory; "
                   "install the command as a whole\n");
    std::filesystem::create_symlink(original.parent_path() / "../libexec/interlock/interlock-audit",
                                    folder / "interlock-audit");
    const Finished beside = run_process(copied);
    CHECK_STATUS(beside, 0);
    BOOST_TEST(beside.out == call({"explain", "IL001"}).out);
}

BOOST_AUTO_TEST_CASE(libraries_that_count_are_in_the_plan_and_all_are_in_the_json) {
    const std::string folder = from_environment("INTERLOCK_TEST_LINKED");
    const std::map<std::string, std::string> path{{"INTERLOCK_PATH", folder}};
    const Finished plan = call({"plan", "holder"}, path);
    CHECK_STATUS(plan, 1);
    BOOST_TEST(lines_of(plan.out).at(0) == "holder: would fall back to locked mode");
    CHECK_CONTAINS(plan.out, "\n  marker      free\n");
    CHECK_CONTAINS(plan.out, "  decided by  library: it pulls in module 'hidden' of '" + folder + "/hidden.so'");
    CHECK_CONTAINS(plan.out, "  library     " + folder + "/hidden.so: module hidden, unmarked; decided: global_lock\n");
    BOOST_TEST(count_of(plan.out, "\n  library ") == 1u);  // and not the C library
    const Json module = Json::parse(call({"plan", "--json", "holder"}, path).out).at("modules")[0];
    BOOST_TEST(module.at("decided_by") == "library");
    std::map<std::string, Json> libraries;
    for (const Json& library : module.at("libraries")) libraries[library.at("name").get<std::string>()] = library;
    BOOST_TEST(libraries.at("hidden.so").at("effect") == "global_lock");
    BOOST_TEST(libraries.at("hidden.so").at("marker") == "unmarked");
    BOOST_TEST(libraries.at("libc.so.6").at("found") == "loaded");
    BOOST_TEST(libraries.at("libc.so.6").at("marker").is_null());
    BOOST_TEST(libraries.at("libc.so.6").at("effect") == "none");

    const Folder files;
    const Finished imported = call({"import", "--report", files / "report.json", "holder"}, path);
    CHECK_STATUS(imported, 0);
    CHECK_CONTAINS(imported.err, folder + "/holder.so");
    CHECK_CONTAINS(imported.err, folder + "/hidden.so");
    const Json report = Json::parse(content_of(files / "report.json"));
    BOOST_TEST(listed(report.at("modules")[0]) == listed(module));
    BOOST_TEST(report.at("fallbacks").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_refused_library_refuses_who_pulls_it_in) {
    const std::string folder = from_environment("INTERLOCK_TEST_LINKED");
    const Folder files;
    const std::string policy = files.write(
        "policy.json", R"({"rules": [{"match": {"file": "hidden.so"}, "threading": "refuse", "reason": "old"}]})");
    for (const char* verb : {"plan", "import"}) {
        const Finished finished = call({verb, "--policy", policy, "holder", "beside"}, {{"INTERLOCK_PATH", folder}});
        CHECK_STATUS(finished, 1);
        const std::string all = finished.out + finished.err;
        CHECK_CONTAINS(all, "module 'holder' from '" + folder + "/holder.so': it pulls in module 'hidden' of '" +
                                folder + "/hidden.so'");
        CHECK_CONTAINS(all, "it is refused: " + policy + ":1: the rule for file 'hidden.so' says refuse, because: old");
        CHECK_CONTAINS(finished.out, "beside");
    }
}

// `plan` is part of the program with the audit, which is linked to more than the one that imports.
BOOST_AUTO_TEST_CASE(plans_are_for_the_program_that_imports) {
    const std::string folder = from_environment("INTERLOCK_TEST_LINKED");
    const Folder files;
    CHECK_STATUS(call({"import", "--report", files / "report.json", "own_zlib"}, {{"INTERLOCK_PATH", folder}}), 0);
    const Json module =
        Json::parse(call({"plan", "--json", "own_zlib"}, {{"INTERLOCK_PATH", folder}}).out).at("modules")[0];
    const Json report = Json::parse(content_of(files / "report.json"));
    BOOST_TEST(listed(module) == listed(report.at("modules")[0]));
    BOOST_TEST(module.at("libraries")[0].at("file") == folder + "/own/libz.so.1");
    // What is loaded from the start is no question, what is not is.
    const std::string policy =
        files.write("policy.json", R"({"rules": [{"match": {"module": "*"}, "threading": "free", "reason": "r"},
                                     {"match": {"file": "*"}, "threading": "refuse", "reason": "r"}]})");
    for (const char* verb : {"plan", "import"}) {
        CHECK_STATUS(call({verb, "--policy", policy, "own_zlib"}, {{"INTERLOCK_PATH", folder}}), 1);
        CHECK_STATUS(call({verb, "--policy", policy, "probe"}, {{"INTERLOCK_PATH", module_folder()}}), 0);
    }
}
