// Modules of interlock: by their marker, by a manifest, and, for those of the legacy kind, by what the init function
// says.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_interlock_modules
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include <interlock/digest.hpp>

#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::verdict;

namespace {

std::vector<std::uint8_t> file_of(const std::string& name) {
    std::ifstream file(std::string(INTERLOCK_TEST_MODULES) + "/" + name + ".so", std::ios::binary);
    BOOST_REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), {}};
}

ModuleAudit audited(const std::string& name, const std::vector<std::uint8_t>& file, const std::string& manifest = {},
                    std::string* build_id = nullptr) {
    AuditOptions options;
    options.budget.instructions = 1'000'000;
    const std::string path = name + ".so";
    auto result =
        audit_binary(file, {.path = path, .module_path = path, .disk_path = {}, .manifest = manifest}, options);
    BOOST_REQUIRE(result);
    BOOST_REQUIRE_EQUAL(result->size(), 1u);
    BOOST_TEST((result->front().abi == AbiFlavour::interlock));
    BOOST_REQUIRE_EQUAL(result->front().modules.size(), 1u);
    if (build_id != nullptr) *build_id = result->front().build_id;
    return result->front().modules.front();
}
ModuleAudit audited(const std::string& name, const std::string& manifest = {}) {
    return audited(name, file_of(name), manifest);
}

std::string sha256(const std::string& hash) { return R"("sha256": ")" + hash + '"'; }
std::string manifest_for(const std::string& module, const std::string& pins) {
    return R"({"module": ")" + module + R"(", )" + pins +
           R"(, "threading": "free", "declared_by": "a test", "reason": "it is empty"})";
}

void expect(const ModuleAudit& module, Verdict verdict, const std::string& kind, const std::string& reason) {
    BOOST_TEST_CONTEXT(module.name) {
        BOOST_TEST(verdict_name(module.verdict) == verdict_name(verdict));
        BOOST_TEST(marker_kind_text(module) == kind);
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
    const ModuleAudit right = audited("marked_unmarked", manifest_for("marked_unmarked", sha256(hash)));
    BOOST_TEST((right.verdict == Verdict::free));
    BOOST_TEST((right.marker_kind == MarkerKind::manifest));
    const ModuleAudit wrong = audited("marked_unmarked", manifest_for("marked_unmarked", sha256(std::string(64, '0'))));
    BOOST_TEST((wrong.verdict == Verdict::unmarked));
    BOOST_TEST((wrong.marker_kind == MarkerKind::manifest_mismatch));
}

BOOST_AUTO_TEST_CASE(of_two_pins_both_must_match) {
    const std::vector<std::uint8_t> file = file_of("marked_unmarked");
    std::string id;
    audited("marked_unmarked", file, {}, &id);
    BOOST_REQUIRE(!id.empty());
    const std::string hash = sha256_hex(file);
    const struct {
        std::string hash, id;
        bool counts;
    } rows[] = {{hash, id, true},
                {std::string(64, '0'), id, false},
                {hash, "00112233", false},
                {std::string(64, '0'), "00112233", false}};
    for (const auto& row : rows) {
        const std::string pins = sha256(row.hash) + R"(, "build_id": ")" + row.id + '"';
        BOOST_TEST_CONTEXT(pins) {
            const ModuleAudit module = audited("marked_unmarked", file, manifest_for("marked_unmarked", pins));
            BOOST_TEST((module.verdict == (row.counts ? Verdict::free : Verdict::unmarked)));
            BOOST_TEST(marker_kind_text(module) == (row.counts ? "manifest" : "manifest hash mismatch"));
        }
    }
    const std::string one_pin = R"("build_id": ")" + id + '"';
    BOOST_TEST((audited("marked_unmarked", manifest_for("marked_unmarked", one_pin)).verdict == Verdict::free));
}

// As the loader has it: a level of a later version says nothing, and so the manifest is asked.
BOOST_AUTO_TEST_CASE(a_manifest_counts_where_the_level_of_the_marker_is_not_known) {
    std::vector<std::uint8_t> file = file_of("marked_module_lock");
    const std::string known = R"("threading":"module_lock")", later = R"("threading":"module_luck")";
    const auto at = std::search(file.begin(), file.end(), known.begin(), known.end());
    BOOST_REQUIRE((at != file.end()));
    std::ranges::copy(later, at);
    const ModuleAudit alone = audited("marked_module_lock", file);
    BOOST_TEST((alone.verdict == Verdict::unmarked));
    BOOST_TEST(alone.reason == "it has no marker that this version knows");
    const std::string manifest = manifest_for("marked_module_lock", sha256(sha256_hex(file)));
    BOOST_TEST((audited("marked_module_lock", file, manifest).verdict == Verdict::free));
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
