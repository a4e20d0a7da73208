// corpus_test.cpp: tests/corpus/policy/ok holds files without a finding, bad/ files with one defect each. Parser and
// JSON Schema must agree on all of them, except where a schema cannot express the rule.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <interlock/manifest.hpp>
#include <interlock/policy.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "source_files.hpp"

namespace interlock::test {
namespace {

using nlohmann::json;

/// What the JSON Schema says of a wrong file.
enum class Schema {
    rejects,
    accepts,   // it cannot express: keys given twice, a range turned round in a pattern, leap years
    not_json,  // there is nothing that it could be asked about
};

struct Row {
    const char *name, *code;
    std::size_t line, column;
    Schema schema;
};
constexpr Row bad_files[] = {
    {"policy-nothing", "syntax", 1, 1, Schema::not_json},
    {"policy-blank-lines", "syntax", 3, 3, Schema::not_json},
    {"policy-unclosed", "syntax", 2, 1, Schema::not_json},
    {"policy-trailing-comma", "syntax", 2, 1, Schema::not_json},
    {"policy-double-comma", "syntax", 2, 2, Schema::not_json},
    {"policy-missing-comma", "syntax", 2, 2, Schema::not_json},
    {"policy-missing-colon", "syntax", 1, 10, Schema::not_json},
    {"policy-single-quotes", "syntax", 1, 2, Schema::not_json},
    {"policy-two-values", "syntax", 2, 1, Schema::not_json},
    {"policy-bad-escape", "syntax", 1, 36, Schema::not_json},
    {"policy-control-character", "syntax", 1, 35, Schema::not_json},
    {"policy-open-string", "syntax", 1, 8, Schema::not_json},
    {"policy-open-comment", "syntax", 1, 23, Schema::not_json},
    {"policy-bad-literal", "syntax", 1, 14, Schema::not_json},
    {"policy-huge-number", "syntax", 1, 13, Schema::not_json},
    {"policy-zero-byte", "syntax", 1, 14, Schema::not_json},
    {"policy-deep", "too-deep", 1, 42, Schema::rejects},
    {"policy-duplicate-key", "duplicate-key", 2, 2, Schema::accepts},
    {"policy-duplicate-escaped", "duplicate-key", 1, 34, Schema::accepts},
    {"manifest-duplicate-key", "duplicate-key", 5, 17, Schema::accepts},
    {"policy-not-object", "wrong-type", 1, 1, Schema::rejects},
    {"policy-unknown-key", "unknown-key", 1, 2, Schema::rejects},
    {"policy-unknown-rule-key", "unknown-key", 4, 4, Schema::rejects},
    {"policy-unknown-match-key", "unknown-key", 2, 29, Schema::rejects},
    {"policy-unknown-default-key", "unknown-key", 1, 14, Schema::rejects},
    {"policy-rules-object", "wrong-type", 1, 11, Schema::rejects},
    {"policy-rule-string", "wrong-type", 1, 12, Schema::rejects},
    {"policy-match-string", "wrong-type", 2, 13, Schema::rejects},
    {"policy-match-null", "wrong-type", 2, 13, Schema::rejects},
    {"policy-module-number", "wrong-type", 2, 24, Schema::rejects},
    {"policy-threading-boolean", "wrong-type", 3, 17, Schema::rejects},
    {"policy-reason-array", "wrong-type", 3, 35, Schema::rejects},
    {"policy-expires-number", "wrong-type", 3, 51, Schema::rejects},
    {"policy-default-string", "wrong-type", 1, 13, Schema::rejects},
    {"policy-warnings-string", "wrong-type", 1, 14, Schema::rejects},
    {"policy-warning-object", "wrong-type", 1, 15, Schema::rejects},
    {"policy-schema-number", "wrong-type", 1, 13, Schema::rejects},
    {"policy-version-string", "wrong-type", 1, 13, Schema::rejects},
    {"policy-version-real", "wrong-type", 1, 13, Schema::rejects},
    {"policy-version-2", "unknown-version", 1, 13, Schema::rejects},
    {"policy-version-0", "unknown-version", 1, 13, Schema::rejects},
    {"policy-version-negative", "unknown-version", 1, 13, Schema::rejects},
    {"policy-no-match", "missing-key", 2, 3, Schema::rejects},
    {"policy-no-threading", "missing-key", 2, 3, Schema::rejects},
    {"policy-no-reason", "missing-key", 2, 3, Schema::rejects},
    {"policy-empty-reason", "empty-value", 3, 35, Schema::rejects},
    {"policy-blank-reason", "empty-value", 3, 35, Schema::rejects},
    {"policy-empty-match", "empty-match", 2, 13, Schema::rejects},
    {"policy-empty-module", "empty-value", 2, 24, Schema::rejects},
    {"policy-unknown-action", "unknown-word", 3, 17, Schema::rejects},
    {"policy-unknown-action-case", "unknown-word", 3, 17, Schema::rejects},
    {"policy-unknown-marker", "unknown-word", 2, 24, Schema::rejects},
    {"policy-unknown-default", "unknown-word", 1, 26, Schema::rejects},
    {"policy-glob-unclosed", "bad-glob", 2, 32, Schema::rejects},
    {"policy-glob-empty-bracket", "bad-glob", 2, 25, Schema::rejects},
    {"policy-glob-negated-bracket", "bad-glob", 2, 26, Schema::rejects},
    {"policy-glob-backslash", "bad-glob", 2, 26, Schema::rejects},
    {"policy-glob-range", "bad-glob", 2, 27, Schema::accepts},
    {"policy-glob-behind-escapes", "bad-glob", 2, 53, Schema::rejects},
    {"policy-sha256-short", "bad-hash", 2, 24, Schema::rejects},
    {"policy-sha256-digit", "bad-hash", 2, 35, Schema::rejects},
    {"policy-sha256-prefix", "bad-hash", 2, 25, Schema::rejects},
    {"policy-sha256-empty", "bad-hash", 2, 24, Schema::rejects},
    {"policy-build-id-odd", "bad-hash", 2, 26, Schema::rejects},
    {"policy-build-id-long", "bad-hash", 2, 26, Schema::rejects},
    {"policy-date-calendar", "bad-date", 3, 51, Schema::rejects},
    {"policy-date-no-leap-year", "bad-date", 3, 51, Schema::accepts},
    {"policy-date-month", "bad-date", 3, 51, Schema::rejects},
    {"policy-date-form", "bad-date", 3, 51, Schema::rejects},
    {"policy-date-short", "bad-date", 3, 51, Schema::rejects},
    {"policy-date-letters", "bad-date", 3, 51, Schema::rejects},
    {"policy-date-time", "bad-date", 3, 51, Schema::rejects},
    {"policy-filter-action", "bad-filter", 1, 16, Schema::rejects},
    {"policy-filter-empty", "bad-filter", 1, 16, Schema::rejects},
    {"policy-filter-category", "bad-filter", 1, 32, Schema::rejects},
    {"policy-filter-glob", "bad-filter", 1, 33, Schema::rejects},
    {"policy-crlf-position", "unknown-key", 2, 2, Schema::rejects},
    {"policy-bom-position", "unknown-key", 1, 2, Schema::rejects},
    {"policy-comment-position", "unknown-key", 3, 7, Schema::rejects},
    {"policy-utf8-position", "unknown-key", 1, 15, Schema::rejects},
    {"manifest-not-object", "wrong-type", 1, 1, Schema::rejects},
    {"manifest-no-module", "missing-key", 1, 1, Schema::rejects},
    {"manifest-no-threading", "missing-key", 1, 1, Schema::rejects},
    {"manifest-no-declared-by", "missing-key", 1, 1, Schema::rejects},
    {"manifest-no-reason", "missing-key", 1, 1, Schema::rejects},
    {"manifest-no-hash", "missing-key", 1, 1, Schema::rejects},
    {"manifest-unknown-key", "unknown-key", 5, 17, Schema::rejects},
    {"manifest-policy-key", "unknown-key", 5, 17, Schema::rejects},
    {"manifest-refuse", "unknown-word", 3, 15, Schema::rejects},
    {"manifest-unknown-threading", "unknown-word", 3, 15, Schema::rejects},
    {"manifest-sha256-number", "wrong-type", 2, 12, Schema::rejects},
    {"manifest-sha256-dots", "bad-hash", 2, 17, Schema::rejects},
    {"manifest-build-id-short", "bad-hash", 6, 14, Schema::rejects},
    {"manifest-module-empty", "empty-value", 1, 12, Schema::rejects},
    {"manifest-module-glob", "bad-module-name", 1, 20, Schema::rejects},
    {"manifest-module-dots", "bad-module-name", 1, 20, Schema::rejects},
    {"manifest-module-leading-dot", "bad-module-name", 1, 13, Schema::rejects},
    {"manifest-module-trailing-dot", "bad-module-name", 1, 16, Schema::rejects},
    {"manifest-module-path", "bad-module-name", 1, 13, Schema::rejects},
    {"manifest-module-long", "bad-module-name", 1, 1013, Schema::rejects},
    {"manifest-declared-by-blank", "empty-value", 4, 17, Schema::rejects},
    {"manifest-reason-null", "wrong-type", 5, 12, Schema::rejects},
    {"manifest-version-2", "unknown-version", 6, 13, Schema::rejects},
};

const std::filesystem::path corpus = CORPUS_FOLDER;

std::filesystem::path file_of(const char* folder, std::string_view name) {
    std::filesystem::path out = corpus / folder / name;
    return out += ".json";
}

bool is_manifest(const std::string& name) { return name.starts_with("manifest-"); }

Diagnostics findings(const std::filesystem::path& path) {
    const std::string text = content_of(path);
    if (is_manifest(path.filename().string())) return parse_manifest(text, path).diagnostics;
    return parse_policy(text, path, today).diagnostics;
}

/// The answer of the schema for a file; nullopt when it is not JSON.
std::optional<bool> schema_accepts(const std::filesystem::path& path) {
    const json document = json::parse(content_of(path), nullptr, false, true);
    if (document.is_discarded()) return std::nullopt;
    const bool manifest = is_manifest(path.filename().string());
    const json description = json::parse(
        content_of(std::filesystem::path(SCHEMA_FOLDER) / (manifest ? "manifest.schema.json" : "policy.schema.json")));
    valijson::Schema schema;
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(description), schema);
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    return validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(document), nullptr);
}

std::set<std::string> names_in(const char* folder) {
    std::set<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(corpus / folder)) out.insert(entry.path().stem());
    return out;
}

BOOST_AUTO_TEST_SUITE(corpus_files)

BOOST_AUTO_TEST_CASE(right_files) {
    const auto names = names_in("ok");
    BOOST_TEST(names.size() >= 15u);
    for (const std::string& name : names) {
        BOOST_TEST_CONTEXT(name) {
            const auto path = file_of("ok", name);
            for (const Diagnostic& d : findings(path)) BOOST_ERROR(d.text());
            BOOST_TEST(schema_accepts(path).value());
        }
    }
}

BOOST_AUTO_TEST_CASE(wrong_files) {
    auto names = names_in("bad");
    for (const Row& row : bad_files) {
        BOOST_TEST_CONTEXT(row.name) {
            BOOST_TEST(names.erase(row.name) == 1u);
            const auto path = file_of("bad", row.name);
            const auto found = findings(path);
            for (const Diagnostic& d : found) BOOST_TEST_INFO(d.text());
            BOOST_REQUIRE(found.size() == 1u);
            BOOST_TEST((found[0].severity == Severity::error));
            BOOST_TEST(found[0].code == row.code);
            BOOST_TEST(found[0].line == row.line);
            BOOST_TEST(found[0].column == row.column);
            const auto accepted = schema_accepts(path);
            // nlohmann takes a zero byte for the end of the text, so that for it alone the file is JSON.
            if (std::string_view(row.name) == "policy-zero-byte") continue;
            BOOST_TEST(accepted.has_value() == (row.schema != Schema::not_json));
            if (accepted) BOOST_TEST(*accepted == (row.schema == Schema::accepts));
        }
    }
    for (const std::string& name : names) BOOST_ERROR("bad/" << name << ".json is not in the table");
}

BOOST_AUTO_TEST_CASE(every_error_code_has_a_file) {
    std::set<std::string_view> shown;
    for (const Row& row : bad_files) shown.insert(row.code);
    for (const DiagnosticCode& code : diagnostic_codes()) {
        // Too large a file has no place here: the unit tests make it.
        if (code.severity == Severity::warning || code.code == "too-large") continue;
        BOOST_TEST(shown.contains(code.code), code.code);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
