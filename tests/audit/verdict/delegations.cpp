// Modules that are made by others, and what packages take over from their modules.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_delegations
#include <boost/test/unit_test.hpp>

#include "binary.hpp"

using namespace interlock;
using namespace interlock::auditing;

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

BOOST_AUTO_TEST_CASE(a_target_of_another_build_is_none) {
    BOOST_TEST((resolved(report_of({binary("a", Verdict::delegated, "b", 13), binary("b", Verdict::free, "", 14)})) ==
                Verdict::delegated));
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
