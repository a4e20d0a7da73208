// fuzz_policy.cpp: everything that parses text of users in manifests/. Besides memory errors it looks for promises
// broken: places outside of the text, files that are right and cannot be written and read again, patterns that do not
// match what they were made from.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <interlock/manifest.hpp>
#include <interlock/policy.hpp>

#include "base/glob.hpp"

namespace {

using namespace interlock;

constexpr std::chrono::year_month_day today{std::chrono::year(2027), std::chrono::month(1), std::chrono::day(15)};

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
}

void check_places(const Diagnostics& diagnostics, std::string_view text) {
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    std::size_t line = 0, column = 0;
    for (const Diagnostic& d : diagnostics) {
        require(d.line <= lines && d.column <= text.size() + 1, "a place lies in the text");
        require(d.line == 0 || d.column > 0, "a line comes with a column");
        require(d.line > line || (d.line == line && d.column >= column), "findings are in order");
        line = d.line;
        column = d.column;
        require(!d.text().empty() && d.text().find('\n') == std::string::npos, "a finding is one line");
    }
}

void check_policy(std::string_view text) {
    const PolicyFile file = parse_policy(text, "fuzz.json", today);
    check_places(file.diagnostics, text);
    PolicySubject subject;
    subject.module = "legacy.tok";
    subject.file = "/opt/app/tok.so";
    const auto uses = count_rule_matches(file.policy, {&subject, 1}, today);
    const PolicyRule* rule = file.policy.match(subject, today);
    for (const RuleUse& use : uses)
        require(use.matches == (use.rule == rule ? 1u : 0u), "counting agrees with matching");
    if (has_errors(file.diagnostics)) return;
    for (const PolicyRule& each : file.policy.rules) {
        const std::string again = "{\"rules\": [" + to_json_text(each) + "]}";
        const PolicyFile reread = parse_policy(again, "fuzz.json", today);
        require(!has_errors(reread.diagnostics) && to_json_text(reread.policy.rules.at(0)) == to_json_text(each),
                "a rule can be written and read again");
    }
}

void check_manifest(std::string_view text) {
    const ManifestFile file = parse_manifest(text, "fuzz.json");
    check_places(file.diagnostics, text);
    if (has_errors(file.diagnostics)) return;
    const std::string again = to_json_text(file.manifest);
    const ManifestFile reread = parse_manifest(again, "fuzz.json");
    require(reread.diagnostics.empty() && to_json_text(reread.manifest) == again,
            "a manifest can be written and read again");
}

void check_glob_language(std::string_view text) {
    const std::size_t middle = std::min(text.find('\n'), text.size());
    const std::string_view pattern = text.substr(0, middle), name = text.substr(std::min(middle + 1, text.size()));
    if (pattern.size() > 4096 || name.size() > 4096) return;  // the effort is a product
    const auto error = base::check_glob(pattern);
    const bool matches = base::glob_match(pattern, name);
    require(!error || (error->offset < pattern.size() && !matches), "a malformed pattern matches nothing");
    require(base::glob_match(base::glob_escape(name), name), "an escaped name matches itself");
    if (const auto literal = base::glob_literal(pattern)) {
        require(base::glob_match(pattern, *literal), "a literal is matched");
        require(matches == (name == *literal), "a literal matches nothing else");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_policy(text);
    check_manifest(text);
    check_glob_language(text);
    const auto filter = parse_warning_filter(text);
    if (filter) {
        require(!base::check_glob(filter->module).has_value(), "an accepted filter has a well-formed pattern");
    } else {
        require(filter.error().message.find('\n') == std::string::npos, "an error is one line");
    }
    return 0;
}
