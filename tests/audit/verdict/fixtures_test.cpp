// The verdicts on compiled fixtures of all formats and architectures are those of tests/audit/fixtures/expected.json.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_fixtures
#include <boost/test/unit_test.hpp>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/image/fixture_files.hpp"
#include "base/glob.hpp"
#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::verdict;
using Json = nlohmann::json;

namespace {

std::vector<BinaryAudit> audited(const test::Fixture& fixture, std::string module_path = {}, bool details = false) {
    if (module_path.empty()) module_path = fixture.path.filename().string();
    AuditOptions options;
    options.budget.instructions = 3'000'000;
    options.details = details;
    const BinaryContext context{
        .path = fixture.name, .module_path = std::move(module_path), .disk_path = {}, .manifest = {}};
    auto result = audit_binary(fixture.bytes, context, options);
    return std::move(result).value();
}

Json expectations() {
    std::ifstream file(AUDIT_FIXTURES_EXPECTED);
    return Json::parse(file);
}

const Json* first_match(const Json& list, const std::string& name) {
    for (const Json& entry : list)
        if (base::glob_match(entry["pattern"].get<std::string>(), name)) return &entry;
    return nullptr;
}

bool is_one_of(const Json& expected, std::string_view found) {
    if (expected.is_string()) return expected.get<std::string>() == found;
    return std::ranges::any_of(expected, [&](const Json& one) { return one.get<std::string>() == found; });
}

// A build without emulator says so, or what is constant in the file, of which it is not certain.
void compare_static(const Json& expected, const ModuleAudit& module) {
    BOOST_TEST(!module.reason.empty());
    if (module.verdict == Verdict::undetermined) return;
    const std::string_view verdict = verdict_name(module.verdict);
    if (expected.contains("static")) {
        BOOST_TEST(verdict == expected["static"].get<std::string>());
        BOOST_TEST(confidence_name(module.confidence) == "probable");
        return;
    }
    if (expected.contains("verdict")) BOOST_TEST(is_one_of(expected["verdict"], verdict), module.reason);
    if (module.marker && expected.contains("marker"))
        BOOST_TEST((expected["marker"] == *module.marker), "the marker is not " << expected["marker"]);
}

void compare(const Json& expected, const ModuleAudit& module) {
    if (!has_emulator()) return compare_static(expected, module);
    if (expected.contains("verdict"))
        BOOST_TEST(is_one_of(expected["verdict"], verdict_name(module.verdict)),
                   verdict_name(module.verdict) << " and not " << expected["verdict"] << ": " << module.reason);
    if (expected.contains("marker"))
        BOOST_TEST((expected["marker"].is_null() ? !module.marker.has_value()
                                                 : module.marker == expected["marker"].get<bool>()),
                   "the marker is not " << expected["marker"]);
    if (expected.contains("phase")) BOOST_TEST(is_one_of(expected["phase"], module.phase), module.phase);
    if (expected.contains("confidence"))
        BOOST_TEST(is_one_of(expected["confidence"], confidence_name(module.confidence)),
                   confidence_name(module.confidence));
    if (expected.contains("marker_kind"))
        BOOST_TEST(is_one_of(expected["marker_kind"], marker_kind_text(module)), marker_kind_text(module));
    if (expected.contains("delegated_to"))
        BOOST_TEST(module.delegated_to == expected["delegated_to"].get<std::string>());
    if (expected.contains("primary")) BOOST_TEST(module.primary == expected["primary"].get<bool>());
    if (expected.contains("reason"))
        BOOST_TEST(module.reason.starts_with(expected["reason"].get<std::string>()), module.reason);
    if (expected.contains("effects"))
        for (const auto& [python, effect] : expected["effects"].items()) {
            const auto found =
                std::ranges::find(module.effects, python, [](const EffectOn& on) { return on.python.text(); });
            BOOST_REQUIRE((found != module.effects.end()));
            BOOST_TEST(effect_name(found->effect) == effect.get<std::string>(), python);
        }
    BOOST_TEST(!module.reason.empty());
}

}  // namespace

BOOST_AUTO_TEST_CASE(verdicts) {
    const Json all = expectations();
    const auto fixtures = test::all_fixtures();
    BOOST_TEST(fixtures.size() > 100u);
    std::set<const Json*> used;
    std::size_t determined = 0;
    for (const test::Fixture& fixture : fixtures) {
        BOOST_TEST_CONTEXT(fixture.name) {
            const Json* expected = first_match(all["files"], fixture.name);
            BOOST_REQUIRE_MESSAGE(expected != nullptr, "expected.json says nothing of it");
            used.insert(expected);
            for (const BinaryAudit& binary : audited(fixture)) {
                determined += static_cast<std::size_t>(std::ranges::count_if(
                    binary.modules, [](const ModuleAudit& one) { return one.verdict != Verdict::undetermined; }));
                if (const Json* abi = first_match(all["abi"], fixture.name))
                    BOOST_TEST(abi_flavour_name(binary.abi) == (*abi)["abi"].get<std::string>());
                for (const Json& module : (*expected)["modules"]) {
                    const auto found = std::ranges::find_if(binary.modules, [&](const ModuleAudit& entry) {
                        return module.contains("entry_point")
                                   ? entry.entry_point == module["entry_point"].get<std::string>()
                                   : module["name"] == "*" || entry.name == module["name"].get<std::string>();
                    });
                    BOOST_TEST_CONTEXT(module.dump()) {
                        BOOST_TEST((found != binary.modules.end()), "no such module");
                        if (found != binary.modules.end()) compare(module, *found);
                    }
                }
            }
        }
    }
    BOOST_TEST(determined > fixtures.size() / 3);
    for (const Json& entry : all["files"]) BOOST_TEST(used.contains(&entry), "no fixture is like " << entry["pattern"]);
}

// Who looks closer at what an audit said sees the same, with the same addresses.
BOOST_AUTO_TEST_CASE(details_change_nothing) {
    std::size_t with_addresses = 0;
    for (const test::Fixture& fixture : test::all_fixtures()) {
        const auto plain = audited(fixture), detailed = audited(fixture, {}, true);
        BOOST_REQUIRE(plain.size() == detailed.size());
        for (std::size_t i = 0; i < plain.size(); ++i) {
            BOOST_REQUIRE(plain[i].modules.size() == detailed[i].modules.size());
            for (std::size_t j = 0; j < plain[i].modules.size(); ++j) {
                const ModuleAudit &one = plain[i].modules[j], &other = detailed[i].modules[j];
                BOOST_TEST(one.reason == other.reason, fixture.name << ": " << one.reason << " and " << other.reason);
                BOOST_TEST((one.verdict == other.verdict), fixture.name);
                with_addresses += one.reason.find("in the code at 0x") != one.reason.npos ? 1 : 0;
            }
        }
    }
    if (has_emulator()) BOOST_TEST(with_addresses != 0u);
}

// Without a version in its name any interpreter may load it; it must not be judged as one of them would.
BOOST_AUTO_TEST_CASE(a_file_for_all_versions) {
    if (!has_emulator()) return;
    const auto fixtures = test::all_fixtures();
    const auto asks = std::ranges::find_if(
        fixtures, [](const test::Fixture& one) { return one.name.find("asks_version") != std::string::npos; });
    BOOST_REQUIRE((asks != fixtures.end()));
    const auto audits = audited(*asks, "asks_version.so");
    BOOST_TEST(verdict_name(audits.at(0).modules.at(0).verdict) == "undetermined");
    BOOST_TEST(audits.at(0).modules.at(0).reason ==
               "what it says depends on the version of the interpreter: 3.14 and 3.13 differ");
}

// The emulators of a thread are used again and again: what was run before must not matter.
BOOST_AUTO_TEST_CASE(the_order_does_not_matter) {
    auto fixtures = test::all_fixtures();
    std::map<std::string, std::vector<std::string>> first;
    const auto summary = [](const BinaryAudit& binary) {
        std::string text(abi_flavour_name(binary.abi));
        for (const ModuleAudit& module : binary.modules)
            text += " " + module.name + "=" + std::string(verdict_name(module.verdict)) + "(" + module.reason + ")";
        return text;
    };
    for (const test::Fixture& fixture : fixtures)
        for (const BinaryAudit& binary : audited(fixture)) first[fixture.name].push_back(summary(binary));
    std::ranges::reverse(fixtures);
    for (const test::Fixture& fixture : fixtures) {
        std::vector<std::string> second;
        for (const BinaryAudit& binary : audited(fixture)) second.push_back(summary(binary));
        BOOST_TEST(second == first[fixture.name], boost::test_tools::per_element());
    }
}
