// wire_test.cpp: what goes between the audit and the processes that judge comes through unchanged, and nonsense is an
// error.
//
// SPDX-License-Identifier: MIT
#include "worker/wire.hpp"

#include <boost/test/unit_test.hpp>

namespace interlock::auditing {
using namespace verdict;
using namespace worker;
namespace {

std::vector<BinaryAudit> example() {
    ModuleAudit module;
    module.name = "a.b";
    module.entry_point = "PyInit_b";
    module.primary = false;
    module.verdict = Verdict::global_lock;
    module.confidence = Confidence::weak;
    module.reason = std::string("\0 and\n", 7);
    module.delegated_to = "other";
    module.marker = true;
    module.marker_kind = MarkerKind::slot_value;
    module.marker_value = 7;
    module.phase = "multi-phase";
    module.evidence = {{"what", "where"}, {"", ""}};
    module.assumed = {"getenv"};
    module.effects = {{{3, 15}, Effect::crashes, "why"}};
    module.slots = {{4, "Py_mod_gil", ~std::uint64_t{0}, 2, true, false}};
    module.calls = {{"f", {"1", "2"}, "0", "0x10"}};
    module.instructions = 12345;
    BinaryAudit binary;
    binary.path = "x.whl!a/b.so";
    binary.format = "ELF";
    binary.slice = true;
    binary.abi = AbiFlavour::interlock;
    binary.abi_version = PythonVersion{3, 14};
    binary.abi_evidence = {{"its name", "the file"}};
    binary.size = 7;
    binary.modules = {module, {}};
    binary.exports = {"PyInit_b"};
    binary.libraries = {"libc.so.6"};
    binary.writable_globals = 99;
    binary.stateful_calls = {"strtok"};
    binary.borrowed_calls = {"PyDict_Next"};
    binary.package = 3;
    return {binary, {}};
}

BOOST_AUTO_TEST_SUITE(wire)

BOOST_AUTO_TEST_CASE(all_of_it_arrives) {
    const std::string wire = to_wire(example());
    const auto back = audits_from_wire(wire);
    BOOST_REQUIRE(back.ok());
    BOOST_TEST((to_wire(back) == wire));  // the same bytes, so the same values: each of them is in there
    BOOST_REQUIRE(back->size() == 2);
    BOOST_TEST(back->front().modules[0].reason == std::string("\0 and\n", 7));
    BOOST_TEST((back->front().modules[0].slots[0].value == ~std::uint64_t{0}));
    BOOST_TEST(back->front().stateful_calls.at(0) == "strtok");

    const auto error = audits_from_wire(to_wire(Result<std::vector<BinaryAudit>>(Error{Errc::malformed_file, "bad"})));
    BOOST_REQUIRE(!error.ok());
    BOOST_TEST((error.error().code == Errc::malformed_file));
    BOOST_TEST(error.error().message == "bad");

    const auto context = context_from_wire(to_wire(BinaryContext{"p", "m", "/d", "{}", "it died"}));
    BOOST_REQUIRE(context.ok());
    BOOST_TEST(context->path == "p");
    BOOST_TEST(context->module_path == "m");
    BOOST_TEST(context->disk_path == "/d");
    BOOST_TEST(context->manifest == "{}");
    BOOST_TEST(context->not_run_because == "it died");
}

BOOST_AUTO_TEST_CASE(nonsense_is_an_error) {
    const std::string wire = to_wire(example());
    for (std::size_t size = 0; size < wire.size(); ++size) {
        const auto cut = audits_from_wire(std::string_view(wire).substr(0, size));
        BOOST_REQUIRE(!cut.ok());
        BOOST_TEST((cut.error().code == Errc::internal));
    }
    BOOST_TEST(!audits_from_wire(wire + "x").ok());
    BOOST_TEST(!context_from_wire("x").ok());
    // Any byte may be wrong; a value can be another one then, but nothing may go wrong here.
    for (std::size_t at = 0; at < wire.size(); ++at)
        for (const int value : {0x00, 0x7f, 0xff}) {
            std::string wrong = wire;
            wrong[at] = static_cast<char>(value);
            const auto read = audits_from_wire(wrong);
            if (read.ok()) BOOST_TEST((to_wire(read) == wrong));
        }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
