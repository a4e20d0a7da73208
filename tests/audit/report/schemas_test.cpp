// schemas_test.cpp: the JSON report and the baseline against the schemas that are shipped, and SARIF against what
// GitHub and the standard ask for.
//
// SPDX-License-Identifier: MIT
#include <fstream>
#include <set>

#include <interlock/audit_output.hpp>
#include <interlock/baseline.hpp>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "audit/fabricated.hpp"
#include "support/temporary_folder.hpp"

using namespace interlock;
using namespace interlock::test;
using nlohmann::json;

namespace {

json read_json(const std::string& file) {
    std::ifstream in(file);
    BOOST_REQUIRE_MESSAGE(in, "cannot read " << file);
    return json::parse(in);
}

class Schema {
public:
    explicit Schema(const std::string& file) : text_(read_json(file)) {
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(text_), schema_);
    }
    /// "" or the first errors.
    std::string complaints(const json& document) const {
        valijson::Validator validator;
        valijson::ValidationResults results;
        if (validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(document), &results)) return {};
        std::string text;
        valijson::ValidationResults::Error error;
        for (int i = 0; i < 5 && results.popError(error); ++i) {
            for (const std::string& part : error.context) text += part;
            text += ": " + error.description + "\n";
        }
        return text.empty() ? "not valid" : text;
    }
    const json& text() const { return text_; }

private:
    json text_;
    valijson::Schema schema_;
};

AuditReport large(std::size_t findings) {
    AuditReport report = judged(wheel_with({binary_with(module_with(Verdict::unmarked))}));
    const Finding finding = report.findings.at(0);
    report.findings.assign(findings, finding);
    return report;
}

json sarif_of(const AuditReport& report, const AuditOutputOptions& options = {}) {
    return json::parse(format_audit(report, AuditFormat::sarif, options));
}

std::string uri_of(const std::string& path, const AuditOutputOptions& options = {}) {
    AuditReport report = large(1);
    report.findings[0].path = path;
    return sarif_of(report,
                    options)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schemas)

BOOST_AUTO_TEST_CASE(of_the_report) {
    const Schema schema(SCHEMA_FOLDER "/audit-report.schema.json");
    BOOST_TEST(schema.text()["$id"] == "urn:interlock:schema:audit-report:1");
    BOOST_TEST(schema.complaints(json::parse(format_audit({}, AuditFormat::json))) == "");
    for (const std::string_view text : hostile) {
        AuditReport report = hostile_report(text);
        report.packages[0].kind = "wheel";
        report.binaries[0].sha256 = std::string(64, 'a');
        const json document = json::parse(format_audit(report, AuditFormat::json));
        BOOST_TEST(schema.complaints(document) == "");
        BOOST_TEST(document["$schema"] == schema.text()["$id"]);
    }
    // It must be able to fail.
    json document = json::parse(format_audit(large(1), AuditFormat::json));
    document["findings"][0]["level"] = "fatal";
    BOOST_TEST(schema.complaints(document) != "");
    document = json::parse(format_audit(large(1), AuditFormat::json));
    document["binaries"][0]["modules"][0]["surprise"] = 1;
    BOOST_TEST(schema.complaints(document) != "");
}

BOOST_AUTO_TEST_CASE(every_word_of_the_data_model_is_in_it) {
    const json definitions = read_json(SCHEMA_FOLDER "/audit-report.schema.json")["definitions"];
    json verdicts = json::array(), flavours = json::array(), effects = json::array();
    for (std::size_t i = 0; i < verdict_count; ++i) verdicts.push_back(verdict_name(static_cast<Verdict>(i)));
    for (int i = 0; i <= static_cast<int>(AbiFlavour::interlock); ++i)
        flavours.push_back(abi_flavour_name(static_cast<AbiFlavour>(i)));
    for (int i = 0; i <= static_cast<int>(Effect::unknown); ++i) effects.push_back(effect_name(static_cast<Effect>(i)));
    BOOST_TEST(definitions["verdict"]["enum"] == verdicts);
    BOOST_TEST(definitions["binary"]["properties"]["abi"]["enum"] == flavours);
    BOOST_TEST(definitions["effect"]["properties"]["effect"]["enum"] == effects);
}

BOOST_AUTO_TEST_CASE(of_the_baseline) {
    const Schema schema(SCHEMA_FOLDER "/baseline.schema.json");
    for (const std::string_view text : hostile) {
        const json document = json::parse(baseline_text(hostile_report(text)));
        BOOST_TEST(schema.complaints(document) == "");
        BOOST_TEST(document["$schema"] == schema.text()["$id"]);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sarif)

BOOST_AUTO_TEST_CASE(keeps_to_the_standard) {
    const Schema schema(TEST_FOLDER "/sarif_subset.schema.json");
    for (const std::string_view text : hostile) BOOST_TEST(schema.complaints(sarif_of(hostile_report(text))) == "");
    json wrong = sarif_of(large(1));
    wrong["runs"][0]["results"][0]["level"] = "fatal";
    BOOST_TEST(schema.complaints(wrong) != "");
    // Whoever has the schema of the standard can let it judge as well.
    if (const char* standard = std::getenv("INTERLOCK_SARIF_SCHEMA")) {
        const Schema whole(standard);
        for (const std::string_view text : hostile) BOOST_TEST(whole.complaints(sarif_of(hostile_report(text))) == "");
    }
}

BOOST_AUTO_TEST_CASE(has_what_code_scanning_shows) {
    AuditReport report = judged(wheel_with({binary_with(module_with(Verdict::unmarked))}));
    report.errors = {{"bad.whl", Errc::malformed_file, "cut off"}};
    const json run = sarif_of(report)["runs"][0];
    const json& driver = run["tool"]["driver"];
    BOOST_TEST(driver["rules"].size() == rules().size());
    for (const json& rule : driver["rules"]) {
        for (const char* key : {"shortDescription", "fullDescription", "help"})
            BOOST_TEST(!rule[key]["text"].get<std::string>().empty());
        BOOST_TEST(
            contains(rule["help"]["markdown"].get<std::string>(), find_rule(rule["id"].get<std::string>())->fix));
    }
    const json& result = run["results"][0];
    BOOST_TEST(result["ruleId"] == "IL001");
    BOOST_TEST(driver["rules"][result["ruleIndex"].get<std::size_t>()]["id"] == "IL001");
    BOOST_TEST(result["level"] == "error");
    BOOST_TEST(result["partialFingerprints"]["interlock/v1"] == report.findings[0].fingerprint);
    BOOST_TEST(result["partialFingerprints"]["primaryLocationLineHash"] == report.findings[0].fingerprint + ":1");
    BOOST_TEST(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "pkg._m");
    BOOST_TEST(result["properties"]["path"] == report.findings[0].path);
    BOOST_TEST(result["properties"]["architecture"] == "x86_64");
    BOOST_TEST(contains(result["message"]["text"].get<std::string>(), "\nFile: " + report.findings[0].path));
    BOOST_TEST(run["invocations"][0]["executionSuccessful"] == false);
    // Code scanning does not know accepted findings: it would open an alert.
    report.findings[0].accepted = "policy: seen";
    BOOST_TEST(sarif_of(report)["runs"][0]["results"].empty());
    report.findings[0].accepted.clear();
    report.findings[0].message = "see [here](http://example.org)";
    BOOST_TEST(sarif_of(report)["runs"][0]["results"][0]["message"]["text"].get<std::string>().starts_with(
        "see \\[here\\](http://example.org)"));
}

BOOST_AUTO_TEST_CASE(places_do_not_change_with_the_version) {
    const auto uris = [](std::string path, std::string wheel) {
        AuditReport report = wheel_with({binary_with(module_with(Verdict::unmarked), wheel + path),
                                         binary_with(module_with(Verdict::free, "pkg.b"), wheel + "!pkg/b.so")});
        report.packages[0].path = wheel;
        std::set<std::string> list;
        const json sarif = sarif_of(judged(std::move(report)));
        for (const json& result : sarif["runs"][0]["results"]) {
            const json& artifact = result["locations"][0]["physicalLocation"]["artifactLocation"];
            BOOST_TEST(artifact["uriBaseId"] == "%SRCROOT%");
            list.insert(artifact["uri"].get<std::string>());
        }
        return list;
    };
    const std::set<std::string> expected = {"pkg", "pkg/_m.so"};
    BOOST_TEST(uris("!pkg/_m.cpython-313t-x86_64-linux-gnu.so", "d/Pkg-1.0-cp313-cp313t-linux_x86_64.whl") == expected,
               boost::test_tools::per_element());
    BOOST_TEST(uris("!Pkg-2.0.data/platlib/pkg/_m.cpython-314t-x86_64-linux-gnu.so",
                    "other/Pkg-2.0-cp314-cp314t-linux_x86_64.whl") == expected,
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_result_has_a_fingerprint_of_its_own) {
    AuditReport report = judged(wheel_with({binary_with(module_with(Verdict::unmarked), "d/pkg-1.0.whl!a/_m.so"),
                                            binary_with(module_with(Verdict::unmarked), "d/pkg-1.0.whl!b/_m.so")}));
    const json results = sarif_of(report)["runs"][0]["results"];
    BOOST_REQUIRE(results.size() == 2u);
    for (const int i : {0, 1})
        BOOST_TEST(results[i]["partialFingerprints"]["primaryLocationLineHash"] ==
                   report.findings[0].fingerprint + ":" + std::to_string(i + 1));
}

BOOST_AUTO_TEST_CASE(places_are_uris) {
    AuditOutputOptions at;
    at.base = "/home/x/repository";
    BOOST_TEST(uri_of("d/x.whl!pkg/a.so") == "d/x.whl!/pkg/a.so");
    BOOST_TEST(uri_of("d/x.tar!y.whl!a.so") == "d/x.tar!/y.whl!/a.so");
    BOOST_TEST(uri_of("./d//x.so") == "d/x.so");
    // A member's name is whatever somebody wrote, and a reader of the report would follow it.
    BOOST_TEST(uri_of("d/x.whl!../../../etc/a.so") == "d/x.whl!/etc/a.so");
    BOOST_TEST(uri_of("d/x.whl!pkg/../../a.so") == "d/x.whl!/a.so");
    BOOST_TEST(uri_of("d/x.whl!/pkg/./a.so") == "d/x.whl!/pkg/a.so");
    BOOST_TEST(uri_of("d/x.tar!../y.whl!..") == "d/x.tar!/y.whl!/");
    BOOST_TEST(uri_of("d/x.whl!..a/b...so") == "d/x.whl!/..a/b...so");
    BOOST_TEST(uri_of("/home/x/repository/d/x.so", at) == "d/x.so");
    BOOST_TEST(uri_of("/home/x/other/x.so", at) == "file:///home/x/other/x.so");
    BOOST_TEST(uri_of("../other/x.so", at) == "file:///home/x/other/x.so");
    // From a folder within a repository.
    const TemporaryFolder root;
    root.write(".git/HEAD", "");
    at.base = root / "sub/folder";
    BOOST_TEST(uri_of("x.so", at) == "sub/folder/x.so");
    BOOST_TEST(uri_of("../../dist/x.so", at) == "dist/x.so");
    BOOST_TEST(uri_of("a b:c%[1]#\xff.so") == "a%20b%3Ac%25%5B1%5D%23%FF.so");
    BOOST_TEST(uri_of("") == ".");
}

BOOST_AUTO_TEST_CASE(does_not_exceed_the_limit) {
    AuditReport report = large(25'001);
    for (Finding& finding : report.findings) finding.level = Level::note;
    report.findings.back().level = Level::error;
    const json run = sarif_of(report)["runs"][0];
    BOOST_TEST(run["results"].size() == 25'000u);
    BOOST_TEST(run["properties"]["omittedResults"] == 1);
    BOOST_TEST(run["results"][0]["level"] == "error");
    report.findings.front().accepted = "baseline";
    BOOST_TEST(!sarif_of(report)["runs"][0].contains("properties"));
    BOOST_TEST(!sarif_of(large(25'000))["runs"][0].contains("properties"));
}

BOOST_AUTO_TEST_SUITE_END()
