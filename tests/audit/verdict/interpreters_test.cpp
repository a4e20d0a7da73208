// For which interpreters a file is, where its name does not say it, and what it does to those that find it all the
// same.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_interpreters
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "audit/image/fixture_files.hpp"
#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::verdict;

namespace {

// A fixture under another name; `not_run_because` as when its process has died.
BinaryAudit audited(const std::string& fixture, const std::string& module_path, std::string not_run_because = {}) {
    const auto bytes = test::fixture_bytes(fixture);
    AuditOptions options;
    options.budget.instructions = 3'000'000;
    options.pythons = {{3, 13}, {3, 14}, {3, 15}};
    BinaryContext context{.path = fixture, .module_path = module_path, .disk_path = {}, .manifest = {}};
    context.not_run_because = std::move(not_run_because);
    auto result = audit_binary(bytes, context, options);
    BOOST_REQUIRE(result);
    BOOST_REQUIRE_EQUAL(result->size(), 1u);
    BOOST_REQUIRE_EQUAL(result->front().modules.size(), 1u);
    return std::move(result->front());
}

// "crashes crashes cannot_load": in 3.13t, 3.14t and 3.15t.
std::string effects_of(const BinaryAudit& binary) {
    std::string text;
    for (const EffectOn& on : binary.modules.front().effects)
        text += (text.empty() ? "" : " ") + std::string(effect_name(on.effect));
    return text;
}

struct Row {
    std::string fixture, name;
    AbiFlavour abi;
    Verdict verdict;
    std::string effects;
};

void check(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.fixture << " as " << row.name) {
            const BinaryAudit binary = audited(row.fixture, row.name);
            const ModuleAudit& module = binary.modules.front();
            BOOST_TEST(abi_flavour_name(binary.abi) == abi_flavour_name(row.abi));
            BOOST_TEST(verdict_name(module.verdict) == verdict_name(row.verdict), module.reason);
            BOOST_TEST(effects_of(binary) == row.effects);
            BOOST_TEST((module.confidence == Confidence::certain));
        }
    }
}

constexpr auto gil = AbiFlavour::gil, free_threaded = AbiFlavour::free_threaded, unknown = AbiFlavour::unknown;
const std::string all_load = "turns_gil_on turns_gil_on turns_gil_on";
const std::string one_phase = "crashes crashes cannot_load", two_phases = "cannot_load cannot_load cannot_load";

}  // namespace

// The module can have no marker; what it is for, the layout of its definition says. A name is no proof.
BOOST_AUTO_TEST_CASE(a_bare_name_says_nothing_and_the_layout_says_it) {
    std::vector<Row> rows;
    for (const std::string target : {"elf-x86_64", "elf-aarch64", "elf-s390x", "elf-ppc64le"}) {
        const std::string tuple = target.substr(4) == "ppc64le" ? "powerpc64le" : target.substr(4);
        const std::string file = target + "/single_unmarked.cpython-", end = "-" + tuple + "-linux-gnu.so";
        rows.push_back({file + "314" + end, "single_unmarked.so", gil, Verdict::not_applicable, one_phase});
        rows.push_back({file + "313t" + end, "single_unmarked.so", free_threaded, Verdict::unmarked, all_load});
        rows.push_back({file + "314" + end, "single_unmarked.cpython-314t" + end, gil, Verdict::not_applicable,
                        "cannot_load crashes cannot_load"});
    }
    const std::string mac = "macho-arm64-chained/single_unmarked.cpython-";
    rows.push_back({mac + "314-darwin.so", "single_unmarked.so", gil, Verdict::not_applicable, one_phase});
    rows.push_back({mac + "313t-darwin.so", "single_unmarked.so", free_threaded, Verdict::unmarked, all_load});
    // With words of 32 bits the fields lie otherwise: nothing is said of how the import fails.
    const std::string narrow = "elf-i386/single_unmarked.cpython-";
    rows.push_back({narrow + "314-i386-linux-gnu.so", "single_unmarked.so", gil, Verdict::not_applicable,
                    "cannot_load cannot_load cannot_load"});
    rows.push_back(
        {narrow + "313t-i386-linux-gnu.so", "single_unmarked.so", free_threaded, Verdict::unmarked, all_load});
    check(rows);
}

BOOST_AUTO_TEST_CASE(where_nothing_can_be_run_the_data_say_it) {
    const std::string file = "elf-x86_64/single_unmarked.cpython-314-x86_64-linux-gnu.so";
    const BinaryAudit binary = audited(file, "single_unmarked.so", "the emulator ended");
    BOOST_TEST((binary.abi == AbiFlavour::gil));
    BOOST_TEST(effects_of(binary) == one_phase);
}

BOOST_AUTO_TEST_CASE(a_module_of_two_phases_for_a_gil_fails) {
    const std::string file = "elf-x86_64/multi_free.cpython-314-x86_64-linux-gnu.so";
    check({{file, "multi_free.so", gil, Verdict::not_applicable, two_phases},
           {"elf-x86_64/multi_free.abi3.so", "multi_free.abi3.so", AbiFlavour::abi3, Verdict::not_applicable,
            two_phases}});
    const BinaryAudit binary = audited(file, "pkg/multi_free.so");
    const auto& effects = binary.modules.front().effects;
    BOOST_TEST(effects[0].why ==
               "it is compiled for interpreters with a GIL: 3.13t loads it, and its import fails, if it does not "
               "crash before: SystemError: init function of multi_free returned uninitialized object");
    BOOST_TEST(effects[2].why ==
               "it is compiled for interpreters with a GIL: 3.15t loads it, and refuses its definition: SystemError: "
               "invalid PyModuleDef");
    BOOST_TEST(audited("elf-x86_64/multi_free.abi3.so", "multi_free.abi3.so").modules.front().effects[2].why ==
               "it is compiled for the stable ABI of interpreters with a GIL, and 3.15t does not look for such a file");
}

// As those of cffi's API mode: 3.13t loads them, the layout of their objects matters little.
BOOST_AUTO_TEST_CASE(a_module_that_another_one_makes_may_load) {
    const std::string cffi = "elf-x86_64/delegated_cffi.cpython-314-x86_64-linux-gnu.so";
    check({{cffi, "delegated_cffi.abi3.so", AbiFlavour::abi3, Verdict::not_applicable, "unknown unknown cannot_load"}});
}

// Nothing of them is run, as the model is one of CPython.
BOOST_AUTO_TEST_CASE(other_implementations_of_python) {
    const std::string file = "elf-x86_64/multi_free.cpython-314-x86_64-linux-gnu.so";
    const std::string other = "elf-x86_64/of_pypy.cpython-313t-x86_64-linux-gnu.so";
    check({{file, "multi_free.pypy311-pp73-x86_64-linux-gnu.so", unknown, Verdict::not_applicable, two_phases},
           {file, "multi_free.graalpy242-312-native-x86_64-linux.so", unknown, Verdict::not_applicable, two_phases},
           {other, "of_pypy.so", unknown, Verdict::not_applicable, two_phases}});
    const BinaryAudit pypy = audited(other, "of_pypy.so");
    BOOST_TEST(pypy.modules.front().reason == "it is compiled for PyPy, where a marker has no effect");
    BOOST_TEST(pypy.modules.front().effects[0].why == "it is compiled for PyPy");
    BOOST_REQUIRE_EQUAL(pypy.abi_evidence.size(), 1u);
    BOOST_TEST(pypy.abi_evidence[0].what == "it imports 'PyPyModule_Create2', as the headers of PyPy have it");
    BOOST_TEST(audited(file, "multi_free.graalpy242-312-native-x86_64-linux.so").modules.front().reason ==
               "it is compiled for GraalPy, where a marker has no effect");
}
