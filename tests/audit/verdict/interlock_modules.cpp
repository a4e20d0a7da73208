// Modules of interlock: by their marker, by a manifest, and, for those of the legacy kind, by what the init function
// says.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_interlock_modules
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <vector>

#include <interlock/digest.hpp>

#include "binary.hpp"

using namespace interlock;
using namespace interlock::auditing;

namespace {

std::vector<std::uint8_t> file_of(const std::string& name) {
    std::ifstream file(std::string(INTERLOCK_TEST_MODULES) + "/" + name + ".so", std::ios::binary);
    BOOST_REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), {}};
}

ModuleAudit audited(const std::string& name, const std::string& manifest = {}) {
    const std::vector<std::uint8_t> file = file_of(name);
    AuditOptions options;
    options.budget.instructions = 1'000'000;
    const std::string path = name + ".so";
    auto result =
        audit_binary(file, {.path = path, .module_path = path, .disk_path = {}, .manifest = manifest}, options);
    BOOST_REQUIRE(result);
    BOOST_REQUIRE_EQUAL(result->size(), 1u);
    BOOST_TEST((result->front().abi == AbiFlavour::interlock));
    BOOST_REQUIRE_EQUAL(result->front().modules.size(), 1u);
    return result->front().modules.front();
}

void expect(const ModuleAudit& module, Verdict verdict, const std::string& kind, const std::string& reason) {
    BOOST_TEST_CONTEXT(module.name) {
        BOOST_TEST(verdict_name(module.verdict) == verdict_name(verdict));
        BOOST_TEST(module.marker_kind == kind);
        BOOST_TEST(module.reason == reason);
        BOOST_TEST(module.marker.has_value() == !kind.empty());
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_marker_says_it) {
    expect(audited("marked_free"), Verdict::free, "note", "its marker says free");
    expect(audited("marked_module_lock"), Verdict::free, "note", "its marker says module_lock");
    expect(audited("marked_global_lock"), Verdict::global_lock, "note", "its marker says global_lock");
    expect(audited("marked_unmarked"), Verdict::unmarked, "", "it has no marker that this version knows");
}

BOOST_AUTO_TEST_CASE(a_manifest_says_it) {
    const std::string hash = sha256_hex(file_of("marked_unmarked"));
    const auto manifest = [](const std::string& sha256) {
        return R"({"module": "marked_unmarked", "sha256": ")" + sha256 +
               R"(", "threading": "free", "declared_by": "a test", "reason": "it is empty"})";
    };
    const ModuleAudit right = audited("marked_unmarked", manifest(hash));
    BOOST_TEST((right.verdict == Verdict::free));
    BOOST_TEST(right.marker_kind == "manifest");
    const ModuleAudit wrong = audited("marked_unmarked", manifest(std::string(64, '0')));
    BOOST_TEST((wrong.verdict == Verdict::unmarked));
}

BOOST_AUTO_TEST_CASE(the_init_function_says_it) {
    const bool emulated = has_emulator();
    if (!emulated) {
        expect(audited("legacy_says_free"), Verdict::undetermined, "",
               "it has no marker, and what its init function says is not known: this build has no emulator");
        return;
    }
    const std::string later = "; the runtime is locked until it has said so";
    expect(audited("legacy_says_free"), Verdict::free, "init", "its init function says free" + later);
    expect(audited("legacy_says_module_lock"), Verdict::free, "init", "its init function says module_lock" + later);
    expect(audited("legacy_says_global_lock"), Verdict::global_lock, "init",
           "its init function says global_lock" + later);
    const std::string nothing = "it has no marker, and its init function says nothing";
    expect(audited("legacy_says_nothing"), Verdict::unmarked, "", nothing);
    expect(audited("legacy_no_such_level"), Verdict::unmarked, "", nothing);
    expect(audited("legacy_two_levels"), Verdict::free, "init", "its init function says free" + later);
    const ModuleAudit said = audited("legacy_says_free");
    BOOST_TEST((said.confidence == Confidence::certain));
    BOOST_REQUIRE_EQUAL(said.evidence.size(), 1u);
    BOOST_TEST(said.evidence.front().what == "il_set_threading with level 2");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_known_is_undetermined) {
    if (!has_emulator()) return;
    const std::string unknown = "it has no marker, and what its init function says is not known: ";
    expect(audited("legacy_by_import"), Verdict::undetermined, "",
           unknown + "what it says depends on a service of interlock, of which nothing is known");
    expect(audited("legacy_error"), Verdict::undetermined, "", unknown + "it raises no licence");
    expect(audited("legacy_never"), Verdict::undetermined, "", unknown + "it runs longer than 1000000 instructions");
}
