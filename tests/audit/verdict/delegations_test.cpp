// Modules that are made by others, and what packages take over from their modules.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_delegations
#include <boost/test/unit_test.hpp>

#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::verdict;

namespace {

BinaryAudit binary(const std::string& module, Verdict verdict, const std::string& to = "", unsigned minor = 13) {
    BinaryAudit made;
    made.path = module + ".cpython-3" + std::to_string(minor) + "t-x86_64-linux-gnu.so";
    made.platform = "linux";
    made.architecture = "x86_64";
    made.abi = AbiFlavour::free_threaded;
    made.abi_version = PythonVersion{3, minor};
    ModuleAudit entry;
    entry.name = module;
    entry.verdict = verdict;
    entry.reason = "as the test says";
    entry.delegated_to = to;
    made.modules.push_back(entry);
    return made;
}

AuditReport report_of(std::vector<BinaryAudit> binaries) {
    AuditReport report;
    report.packages.resize(1);
    report.binaries = std::move(binaries);
    return report;
}

Verdict resolved(AuditReport report, std::vector<BinaryAudit> others = {}) {
    resolve_delegations(report, others, {});
    return report.binaries.front().modules.front().verdict;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_chain_ends_at_who_decides) {
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b"), binary("b", Verdict::delegated, "c"),
                                    binary("c", Verdict::unmarked)})) == Verdict::unmarked));
    BOOST_TEST(
        (resolved(report_of({binary("a", Verdict::delegated, "b")}), {binary("b", Verdict::free)}) == Verdict::free));
}

BOOST_AUTO_TEST_CASE(circles_and_missing_targets_stay_delegated) {
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b"), binary("b", Verdict::delegated, "a")})) ==
                Verdict::delegated));
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "a")})) == Verdict::delegated));
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b")})) == Verdict::delegated));
}

BOOST_AUTO_TEST_CASE(targets_that_contradict_each_other_decide_nothing) {
    // Whichever comes first.
    for (const auto& [one, other] :
         {std::pair(Verdict::free, Verdict::unmarked), std::pair(Verdict::unmarked, Verdict::free)}) {
        AuditReport report = report_of({binary("a", Verdict::delegated, "b"), binary("b", one), binary("b", other)});
        for (std::size_t i = 0; i < report.binaries.size(); ++i) report.binaries[i].package = i;
        report.packages.resize(3);
        resolve_delegations(report, {}, {});
        const ModuleAudit& module = report.binaries.front().modules.front();
        BOOST_TEST((module.verdict == Verdict::delegated));
        BOOST_TEST((module.effects.at(0).effect == Effect::unknown));
        BOOST_TEST(module.effects.at(0).why.find("say different things") != std::string::npos);
        // The one in the same package comes before all others.
        report.binaries.front().modules.front().verdict = Verdict::delegated;
        report.binaries[1].package = 0;
        resolve_delegations(report, {}, {});
        BOOST_TEST((report.binaries.front().modules.front().verdict == one));
    }
}

BOOST_AUTO_TEST_CASE(a_target_of_another_build_is_none) {
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b", 13), binary("b", Verdict::free, "", 14)})) ==
                Verdict::delegated));
}

BOOST_AUTO_TEST_CASE(each_interpreter_asks_what_it_can_load) {
    // One file for all from 3.15 on, as abi3t is; and its target for each version.
    BinaryAudit stable = binary("a", Verdict::delegated, "b");
    stable.path = "a.abi3t.so";
    stable.abi = AbiFlavour::abi3t;
    stable.abi_version.reset();
    AuditOptions options;
    options.pythons = {{3, 14}, {3, 15}, {3, 16}};
    AuditReport report = report_of({stable, binary("b", Verdict::free, "", 14)});
    resolve_delegations(report, {}, options);
    {
        const ModuleAudit& module = report.binaries[0].modules[0];
        BOOST_TEST((module.verdict == Verdict::delegated));
        BOOST_REQUIRE(module.effects.size() == 3u);
        BOOST_TEST((module.effects[0].effect == Effect::cannot_load));
        BOOST_TEST((module.effects[1].effect == Effect::unknown));
        BOOST_TEST(module.effects[1].why ==
                   "its module is made by 'b', and there is none for 3.15t in the audit or on --path; not "
                   "'b.cpython-314t-x86_64-linux-gnu.so', which 3.15t cannot load");
    }
    report = report_of({stable, binary("b", Verdict::free, "", 15), binary("b", Verdict::unmarked, "", 16)});
    resolve_delegations(report, {}, options);
    {
        const ModuleAudit& module = report.binaries[0].modules[0];
        BOOST_TEST((module.verdict == Verdict::unmarked));
        BOOST_TEST((module.effects[1].effect == Effect::keeps_gil_off));
        BOOST_TEST((module.effects[2].effect == Effect::turns_gil_on));
    }
    // Half of an answer is none that says "free".
    report = report_of({stable, binary("b", Verdict::free, "", 15)});
    resolve_delegations(report, {}, options);
    BOOST_TEST((report.binaries[0].modules[0].verdict == Verdict::delegated));
    BOOST_TEST((report.binaries[0].modules[0].effects[1].effect == Effect::keeps_gil_off));
    BOOST_TEST((report.binaries[0].modules[0].effects[2].effect == Effect::unknown));
}

BOOST_AUTO_TEST_CASE(a_target_for_a_gil_or_another_machine_is_none) {
    BinaryAudit gil = binary("b", Verdict::not_applicable);
    gil.path = "b.cpython-311-x86_64-linux-gnu.so";
    gil.abi = AbiFlavour::gil;
    gil.abi_version = PythonVersion{3, 11};
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b")}), {gil}) == Verdict::delegated));
    BinaryAudit other = binary("b", Verdict::free);
    other.architecture = "aarch64";
    AuditReport report = report_of({binary("a", Verdict::delegated, "b"), other});
    resolve_delegations(report, {}, {});
    const ModuleAudit& module = report.binaries[0].modules[0];
    BOOST_TEST((module.verdict == Verdict::delegated));
    BOOST_TEST(module.effects.at(0).why.ends_with("; 'b.cpython-313t-x86_64-linux-gnu.so' is for linux aarch64"));
}

BOOST_AUTO_TEST_CASE(the_one_of_the_same_package_decides) {
    AuditReport report =
        report_of({binary("a", Verdict::delegated, "b"), binary("b", Verdict::unmarked), binary("b", Verdict::free)});
    report.packages.resize(2);
    report.binaries[1].package = 1;
    resolve_delegations(report, {}, {});
    BOOST_TEST((report.binaries[0].modules[0].verdict == Verdict::free));
}

BOOST_AUTO_TEST_CASE(further_init_functions_count_for_nothing) {
    BinaryAudit two = binary("two", Verdict::free);
    two.modules.push_back(binary("other", Verdict::unmarked).modules[0]);
    two.modules[1].primary = false;
    AuditReport report = report_of({two});
    summarize_packages(report);
    BOOST_TEST((report.packages[0].worst == Verdict::free));
    BOOST_TEST(!report.packages[0].mixed);
    BOOST_TEST(report.packages[0].modules[static_cast<std::size_t>(Verdict::unmarked)] == 0u);
}

BOOST_AUTO_TEST_CASE(effects_and_confidence_follow) {
    AuditReport report = report_of({binary("a", Verdict::delegated, "b"), binary("b", Verdict::free)});
    report.binaries[1].modules[0].confidence = Confidence::probable;
    resolve_delegations(report, {}, {});
    const ModuleAudit& module = report.binaries[0].modules[0];
    BOOST_TEST((module.confidence == Confidence::probable));
    BOOST_REQUIRE(module.effects.size() == 3u);
    BOOST_TEST((module.effects[0].effect == Effect::keeps_gil_off));
    BOOST_TEST((module.effects[1].effect == Effect::cannot_load));
    BOOST_TEST(module.delegated_to == "b");
}

BOOST_AUTO_TEST_CASE(packages_are_as_bad_as_their_worst) {
    AuditReport report = report_of({binary("a", Verdict::free), binary("b", Verdict::unmarked)});
    for (BinaryAudit& each : report.binaries)
        each.modules[0].effects = {
            {{3, 13}, each.modules[0].verdict == Verdict::free ? Effect::keeps_gil_off : Effect::turns_gil_on, "why"}};
    summarize_packages(report);
    const PackageAudit& package = report.packages[0];
    BOOST_TEST((package.worst == Verdict::unmarked));
    BOOST_TEST(package.mixed);
    BOOST_TEST(package.modules[static_cast<std::size_t>(Verdict::free)] == 1u);
    BOOST_REQUIRE(package.effects.size() == 1u);
    BOOST_TEST((package.effects[0].effect == Effect::turns_gil_on));
    BOOST_TEST(package.effects[0].why == "b: why");
}

// A file for a GIL beside others is not what a package comes to.
BOOST_AUTO_TEST_CASE(what_nobody_loads_is_not_the_worst) {
    const auto loaded_by = [](BinaryAudit file, Effect first, Effect second) {
        file.modules[0].effects = {{{3, 13}, first, "why"}, {{3, 14}, second, "why"}};
        return file;
    };
    const auto worst_of = [](std::vector<BinaryAudit> files) {
        AuditReport report = report_of(std::move(files));
        report.pythons = {{3, 13}, {3, 14}};
        summarize_packages(report);
        return report.packages[0].worst;
    };
    using enum Effect;
    const BinaryAudit free = loaded_by(binary("a", Verdict::free), keeps_gil_off, cannot_load);
    const BinaryAudit for_gil = loaded_by(binary("b", Verdict::not_applicable), cannot_load, cannot_load);
    BOOST_TEST((worst_of({free, for_gil}) == Verdict::free));
    BOOST_TEST(
        (worst_of({free, loaded_by(binary("c", Verdict::unmarked), cannot_load, cannot_load)}) == Verdict::free));
    BOOST_TEST(
        (worst_of({free, loaded_by(binary("c", Verdict::unmarked), cannot_load, turns_gil_on)}) == Verdict::unmarked));
    // It is loaded, and that is the end.
    BOOST_TEST((worst_of({free, loaded_by(binary("b", Verdict::not_applicable), crashes, cannot_load)}) ==
                Verdict::not_applicable));
    BOOST_TEST((worst_of({for_gil}) == Verdict::not_applicable));
    BOOST_TEST((worst_of({for_gil, binary("lib", Verdict::not_a_module)}) == Verdict::not_applicable));
    BOOST_TEST((worst_of({binary("lib", Verdict::not_a_module)}) == Verdict::not_a_module));
}

BOOST_AUTO_TEST_CASE(of_several_files_for_a_module_one_is_loaded) {
    const auto with = [](const char* name, Effect effect) {
        BinaryAudit file = binary(name, Verdict::free);
        file.modules[0].effects = {{{3, 13}, effect, "why"}};
        return file;
    };
    const auto effect_of = [](std::vector<BinaryAudit> files) {
        AuditReport report = report_of(std::move(files));
        report.pythons = {{3, 13}};
        summarize_packages(report);
        return report.packages[0].effects.at(0).effect;
    };
    using enum Effect;
    BOOST_TEST((effect_of({with("a", cannot_load), with("a", keeps_gil_off)}) == keeps_gil_off));
    BOOST_TEST((effect_of({with("a", keeps_gil_off), with("a", cannot_load)}) == keeps_gil_off));
    BOOST_TEST((effect_of({with("a", keeps_gil_off), with("b", cannot_load)}) == cannot_load));
    BOOST_TEST((effect_of({with("a", cannot_load), with("a", cannot_load)}) == cannot_load));
}
