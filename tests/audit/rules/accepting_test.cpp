// accepting_test.cpp: baselines, --ignore and --fail-on: what makes a finding count or not.
//
// SPDX-License-Identifier: MIT
#include <interlock/audit_filter.hpp>
#include <interlock/baseline.hpp>
#include <nlohmann/json.hpp>

#include "audit/fabricated.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// An error IL001, a warning IL003, a note IL010.
AuditReport sample() {
    BinaryAudit marked = binary_with(module_with(Verdict::free, "pkg.a"), "d/pkg-1.0.whl!pkg/a.so");
    marked.borrowed_calls = {"PyDict_Next"};
    return judged(wheel_with({marked, binary_with(module_with(Verdict::unmarked, "pkg.b"), "d/pkg-1.0.whl!pkg/b.so")}));
}

Baseline baseline_of(std::string_view text) {
    BaselineFile file = parse_baseline(text, "b.json");
    BOOST_REQUIRE_MESSAGE(file.diagnostics.empty(), error_text(file.diagnostics));
    return std::move(file.baseline);
}

std::size_t failures(const AuditReport& report, const std::vector<std::string>& filters) {
    std::vector<FailFilter> parsed;
    for (const std::string& text : filters) parsed.push_back(parse_fail_on(text).value());
    return count_failures(report, parsed);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(baselines)

BOOST_AUTO_TEST_CASE(round_trip) {
    const std::string text = baseline_text(sample());
    const Baseline baseline = baseline_of(text);
    BOOST_TEST(baseline.entries.size() == 3u);
    BOOST_TEST(baseline.entries[0].rule == "IL003");
    BOOST_TEST(baseline.entries[2].module == "pkg.b");
    AuditReport report = sample();
    BOOST_TEST(apply_baseline(report, baseline).empty());
    BOOST_TEST(in_short(report) == "IL003 warning (baseline), IL010 note (baseline), IL001 error (baseline)");
    // Writing it anew under itself changes nothing.
    BOOST_TEST(baseline_text(report) == text);
}

BOOST_AUTO_TEST_CASE(only_what_is_new_counts) {
    const Baseline baseline = baseline_of(baseline_text(sample()));
    AuditReport later = wheel_with({binary_with(module_with(Verdict::unmarked, "pkg.b"), "d/pkg-2.0.whl!pkg/b.so"),
                                    binary_with(module_with(Verdict::unmarked, "pkg.c"), "d/pkg-2.0.whl!pkg/c.so")});
    later.packages[0].version = "2.0";
    later.packages[0].path = "d/pkg-2.0.whl";
    later = judged(std::move(later));
    const auto stale = apply_baseline(later, baseline);
    BOOST_TEST(in_short(later) == "IL001 error (baseline), IL001 error");
    BOOST_TEST(stale.size() == 2u);
    BOOST_TEST(stale[0]->rule == "IL003");
    BOOST_TEST(stale[1]->rule == "IL010");
}

BOOST_AUTO_TEST_CASE(policy_and_ignore_come_first) {
    AuditReport report = sample();
    const std::string whole = baseline_text(report);
    for (Finding& finding : report.findings) finding.accepted = "policy: r";
    BOOST_TEST(baseline_of(baseline_text(report)).entries.empty());
    BOOST_TEST(apply_baseline(report, baseline_of(whole)).empty());
    BOOST_TEST(report.findings[0].accepted == "policy: r");
}

BOOST_AUTO_TEST_CASE(each_entry_is_good_for_one_finding) {
    const auto folders = [](const std::vector<std::string>& names) {
        std::vector<BinaryAudit> binaries;
        for (const std::string& name : names)
            binaries.push_back(binary_with(module_with(Verdict::unmarked, "m"), name + "/m.so"));
        AuditReport report = wheel_with(std::move(binaries));
        report.packages[0].kind = "folder";
        report.packages[0].version.clear();
        return judged(std::move(report));
    };
    const Baseline one = baseline_of(baseline_text(folders({"b"})));
    AuditReport two = folders({"a", "b"});
    BOOST_TEST(apply_baseline(two, one).empty());
    BOOST_TEST(in_short(two) == "IL001 error, IL001 error (baseline)");  // the one at its place is the known one
    AuditReport moved = folders({"c"});
    BOOST_TEST(apply_baseline(moved, one).empty());
    BOOST_TEST(in_short(moved) == "IL001 error (baseline)");
    const Baseline both = baseline_of(baseline_text(folders({"a", "b"})));
    BOOST_TEST(both.entries.size() == 2u);
    AuditReport left = folders({"b"});
    const auto stale = apply_baseline(left, both);
    BOOST_REQUIRE(stale.size() == 1u);
    BOOST_TEST(stale[0]->path == "a/m.so");
    // What the policy accepts leaves its entry to no other one.
    AuditReport policy = folders({"a", "b"});
    policy.findings[1].accepted = "policy: r";
    BOOST_TEST(apply_baseline(policy, one).empty());
    BOOST_TEST(in_short(policy) == "IL001 error, IL001 error (policy: r)");
}

BOOST_AUTO_TEST_CASE(a_new_symbol_is_a_new_finding) {
    const auto calling = [](std::vector<std::string> symbols) {
        BinaryAudit binary = binary_with(module_with(Verdict::free));
        binary.borrowed_calls = std::move(symbols);
        return judged(wheel_with({binary}));
    };
    const Baseline known = baseline_of(baseline_text(calling({"PyDict_GetItem", "PyList_GetItem"})));
    const auto after = [&](std::vector<std::string> symbols) {
        AuditReport report = calling(std::move(symbols));
        apply_baseline(report, known);
        return in_short(report);
    };
    BOOST_TEST(after({"PyDict_GetItem", "PyList_GetItem"}) == "IL010 note (baseline)");
    BOOST_TEST(after({"PyList_GetItem"}) == "IL010 note (baseline)");
    BOOST_TEST(after({"PyDict_Next", "PyList_GetItem"}) == "IL010 note");
    AuditReport report = calling({"PyDict_Next"});
    Baseline by_hand = known;
    by_hand.entries[0].symbols.reset();
    apply_baseline(report, by_hand);
    BOOST_TEST(in_short(report) == "IL010 note (baseline)");
}

BOOST_AUTO_TEST_CASE(wrong_files) {
    struct Row {
        const char *text, *code;
        std::size_t line, column;
    };
    const Row rows[] = {
        {"", "syntax", 1, 1},
        {"[]", "wrong-type", 1, 1},
        {"{\"version\": 1}", "missing-key", 1, 1},
        {"{\"findings\": []}", "missing-key", 1, 1},
        {"{\"version\": 2,\n \"findings\": []}", "unknown-version", 1, 13},
        {"{\"version\": 1,\n \"findings\": {}}", "wrong-type", 2, 14},
        {"{\"version\": 1, \"finding\": [], \"findings\": []}", "unknown-key", 1, 16},
        {"{\"version\": 1, \"findings\": [\n  7]}", "wrong-type", 2, 3},
        {"{\"version\": 1, \"findings\": [\n  {}]}", "missing-key", 2, 3},
        {"{\"version\": 1, \"findings\": [{\n  \"fingerprint\": \"XY\"}]}", "bad-hash", 2, 18},
        {"{\"version\": 1, \"findings\": [{\n  \"fingerprint\": \"ab\", \"rul\": \"\"}]}", "unknown-key", 2, 24},
        {"{\"version\": 1, \"findings\": [{\n  \"fingerprint\": \"ab\", \"rule\": 1}]}", "wrong-type", 2, 32},
        {"{\"version\": 1, \"findings\": [{\n  \"fingerprint\": \"ab\", \"symbols\": [1]}]}", "wrong-type", 2, 36},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.text) {
            const BaselineFile file = parse_baseline(row.text, "b.json");
            BOOST_REQUIRE(!file.diagnostics.empty());
            BOOST_TEST(has_errors(file.diagnostics));
            BOOST_TEST(file.diagnostics[0].code == row.code);
            BOOST_TEST(file.diagnostics[0].line == row.line);
            BOOST_TEST(file.diagnostics[0].column == row.column);
        }
    }
    BOOST_TEST((read_baseline("/nonexistent/b.json").error().code == Errc::not_found));
}

BOOST_AUTO_TEST_CASE(may_be_long) {
    std::string text = "{\"version\": 1, \"findings\": [";
    for (int i = 0; i < 40'000; ++i)
        text +=
            (i == 0 ? "" : ",") + std::string("{\"fingerprint\": \"") + std::to_string(i) + "\", \"rule\": \"IL001\"}";
    BOOST_TEST(baseline_of(text + "]}").entries.size() == 40'000u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ignoring)

BOOST_AUTO_TEST_CASE(by_rule_and_pattern) {
    struct Row {
        const char *filter, *expected;
    };
    const std::string by = " (ignored by ";
    const Row rows[] = {
        {"IL001", "..x"},
        {"unmarked", "..x"},
        {"il001:*/b.so", "..x"},
        {"IL001:*/a.so", "..."},
        {"pkg.b", "..x"},
        {"pkg.*", ".xx"},
        {"b.so", "..x"},
        {"d/*", "xxx"},
        {"*!pkg/a.so", ".x."},
        {"a.so:b", "..."},
        {"mixed-package:*", "x.."},
        {"*", "xxx"},
    };
    for (const Row& row : rows) {
        AuditReport report = sample();
        const Result<IgnoreFilter> filter = parse_ignore(row.filter);
        BOOST_REQUIRE(filter.ok());
        const std::size_t count = ignore_findings(report, *filter);
        std::string ignored;
        for (const Finding& finding : report.findings) {
            ignored += finding.accepted.empty() ? '.' : 'x';
            if (!finding.accepted.empty()) BOOST_TEST(finding.accepted == "ignored by " + std::string(row.filter));
        }
        BOOST_TEST(ignored == row.expected, row.filter << ": " << ignored);
        BOOST_TEST(count == static_cast<std::size_t>(std::count(ignored.begin(), ignored.end(), 'x')));
    }
    for (const char* wrong : {"", "IL001:", "IL0001", "IL999:x", "[a", "IL001:[a"}) {
        const Result<IgnoreFilter> filter = parse_ignore(wrong);
        BOOST_TEST(!filter.ok(), wrong);
    }
    BOOST_TEST(contains(parse_ignore("IL0001").error().message, "did you mean 'IL001'?"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(failing)

BOOST_AUTO_TEST_CASE(by_level_and_rule) {
    const AuditReport report = sample();
    BOOST_TEST(failures(report, {}) == 0u);
    BOOST_TEST(failures(report, {"never"}) == 0u);
    BOOST_TEST(failures(report, {"error"}) == 1u);
    BOOST_TEST(failures(report, {"warning"}) == 2u);
    BOOST_TEST(failures(report, {"note"}) == 3u);
    BOOST_TEST(failures(report, {"IL010"}) == 1u);
    BOOST_TEST(failures(report, {"error", "borrowed-references"}) == 2u);
    BOOST_TEST(failures(report, {"error", "IL001"}) == 1u);
    BOOST_TEST(failures(report, {"never", "warning"}) == 2u);
    AuditReport accepted = report;
    accepted.findings.back().accepted = "baseline";
    BOOST_TEST(failures(accepted, {"error"}) == 0u);
    AuditReport unsure = report;
    BOOST_TEST(failures(unsure, {"probable"}) == 0u);
    unsure.binaries[0].modules[0].confidence = Confidence::probable;
    unsure.binaries[1].modules[0].confidence = Confidence::weak;
    BOOST_TEST(failures(unsure, {"probable"}) == 2u);
    BOOST_TEST(failures(unsure, {"weak"}) == 1u);
    BOOST_TEST(failures(unsure, {"weak", "probable", "error"}) == 3u);
    unsure.binaries[0].modules[0].verdict = Verdict::undetermined;
    unsure.binaries[1].modules[0].verdict = Verdict::not_applicable;
    BOOST_TEST(failures(unsure, {"weak"}) == 1u);
    BOOST_TEST(!parse_fail_on("").ok());
    BOOST_TEST(contains(parse_fail_on("warnings").error().message, "did you mean 'warning'?"));
}

BOOST_AUTO_TEST_SUITE_END()
