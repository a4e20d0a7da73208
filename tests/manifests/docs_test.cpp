// docs_test.cpp: the examples in docs/policies.md are right, and its tables are complete.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include <interlock/manifest.hpp>
#include <interlock/policy.hpp>

#include "source_files.hpp"

namespace interlock::test {
namespace {

struct Block {
    std::string language, text;
    int line = 0;
};

std::vector<Block> code_blocks(const std::string& markdown) {
    std::vector<Block> out;
    std::istringstream lines(markdown);
    bool inside = false;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.starts_with("```")) {
            if (!inside) out.push_back({line.substr(3), "", number + 1});
            inside = !inside;
        } else if (inside) {
            out.back().text += line + '\n';
        }
    }
    return out;
}

/// The first cells of the tables' rows that are code: "| `code` | ...".
std::multiset<std::string> table_entries(const std::string& markdown) {
    std::multiset<std::string> out;
    std::istringstream lines(markdown);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `")) continue;
        out.insert(line.substr(3, line.find('`', 3) - 3));
    }
    return out;
}

const std::string document = content_of(std::filesystem::path(DOCS_FOLDER) / "policies.md");

BOOST_AUTO_TEST_SUITE(documentation)

BOOST_AUTO_TEST_CASE(examples_have_no_findings) {
    int policies = 0, manifests = 0;
    for (const Block& block : code_blocks(document)) {
        if (block.language != "json") continue;
        BOOST_TEST_CONTEXT("docs/policies.md, line " << block.line) {
            const bool manifest = block.text.find("\"declared_by\"") != std::string::npos;
            ++(manifest ? manifests : policies);
            const auto found = manifest ? parse_manifest(block.text, "example").diagnostics
                                        : parse_policy(block.text, "example", today).diagnostics;
            for (const Diagnostic& d : found) BOOST_ERROR(d.text());
        }
    }
    BOOST_TEST(policies >= 4);
    BOOST_TEST(manifests >= 1);
}

BOOST_AUTO_TEST_CASE(shown_findings_are_real) {
    // A block "json wrong" is followed by a block "text" with what is said about it, in a file policy.json.
    const auto blocks = code_blocks(document);
    int shown = 0;
    for (std::size_t i = 0; i + 1 < blocks.size(); ++i) {
        if (blocks[i].language != "json wrong") continue;
        ++shown;
        std::string said;
        for (const Diagnostic& d : parse_policy(blocks[i].text, "policy.json", today).diagnostics)
            said += d.text() + '\n';
        BOOST_TEST(blocks[i + 1].text == said);
    }
    BOOST_TEST(shown >= 1);
}

BOOST_AUTO_TEST_CASE(all_codes_and_words_are_explained) {
    const auto entries = table_entries(document);
    const std::string codes = content_of(std::filesystem::path(DOCS_FOLDER) / "../manifests/codes.md") + '\n';
    for (const DiagnosticCode& code : diagnostic_codes()) {
        const std::string heading =
            "\n## " + std::string(code.code) + (code.severity == Severity::error ? " (error)\n" : " (warning)\n");
        const std::size_t at = codes.find(heading);
        BOOST_REQUIRE_MESSAGE(at != std::string::npos, code.code);
        BOOST_TEST(codes.find(heading, at + 1) == std::string::npos, code.code);
        std::string text(codes, at + heading.size(), codes.find("\n\n", at) - at - heading.size());
        std::ranges::replace(text, '\n', ' ');
        BOOST_TEST(text == code.explanation);
    }
    for (const WarningCategory category : all_warning_categories) {
        BOOST_TEST(entries.contains(std::string(category_name(category))), category_name(category));
    }
    for (const char* key : {"module", "file", "sha256", "build_id", "marker"}) BOOST_TEST(entries.contains(key), key);
    for (const char* action : {"free", "module_lock", "global_lock", "refuse"}) {
        BOOST_TEST(entries.contains(action), action);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::test
