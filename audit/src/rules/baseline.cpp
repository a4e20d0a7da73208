// baseline.cpp: reading and writing baselines. The JSON reader is that of policies and manifests, which knows where
// everything stands; a baseline may be longer than those, as a machine writes it.
//
// SPDX-License-Identifier: MIT
#include <interlock/baseline.hpp>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "base/input_file.hpp"
#include "base/printable.hpp"
#include "manifests/json_checks.hpp"

namespace interlock {

using namespace manifests;

namespace {

constexpr JsonLimits limits = {.size = 64u << 20, .values = 4'000'000};
constexpr std::size_t longest_fingerprint = 128;
constexpr std::string_view owner = "the baseline";

std::optional<std::string> fingerprint(JsonChecks& checks, const JsonNode* node) {
    auto text = checks.text(node);
    if (!text) return std::nullopt;
    if (text->size() <= longest_fingerprint && text->find_first_not_of("0123456789abcdef") == std::string::npos)
        return text;
    checks.source().report(Code::bad_hash, node->offset, "'fingerprint' is not made of lower-case hexadecimal digits",
                           "copy it from a report, or write the file anew with --write-baseline");
    return std::nullopt;
}

void parse_entry(JsonChecks& checks, const JsonNode& node, Baseline& out) {
    if (!checks.is(node, JsonKind::object, "an item of 'findings'")) return;
    constexpr std::array<std::string_view, 6> known = {"fingerprint", "rule", "module", "path", "message", "symbols"};
    checks.keys(node, "an item of 'findings'", known);
    BaselineEntry entry;
    entry.line = checks.source().line_of(node.offset);
    entry.column = checks.source().column_of(node.offset);
    const JsonNode* print = checks.required(node, "an item of 'findings'", "fingerprint", "it is in the JSON report");
    entry.fingerprint = fingerprint(checks, print).value_or("");
    const auto member = [&](std::string_view key, std::string& target) {
        const JsonNode* text = node.find(key);
        if (text != nullptr && checks.is(*text, JsonKind::string, "'" + std::string(key) + "'")) target = text->text;
    };
    member("rule", entry.rule);
    member("module", entry.module);
    member("path", entry.path);
    member("message", entry.message);
    if (const JsonNode* symbols = node.find("symbols");
        symbols != nullptr && checks.is(*symbols, JsonKind::array, "'symbols'")) {
        entry.symbols.emplace();
        for (const JsonNode& symbol : symbols->children)
            if (checks.is(symbol, JsonKind::string, "an item of 'symbols'")) entry.symbols->push_back(symbol.text);
    }
    out.entries.push_back(std::move(entry));
}

void parse(JsonSource& source, Baseline& out) {
    JsonChecks checks(source);
    const JsonNode& root = *source.root();
    if (!checks.is(root, JsonKind::object, owner) || !checks.header(root)) return;
    constexpr std::array<std::string_view, 3> known = {"$schema", "version", "findings"};
    checks.keys(root, owner, known);
    checks.required(root, owner, "version", "it is 1");
    const JsonNode* findings = checks.required(root, owner, "findings", "a list; an empty one accepts nothing");
    if (findings == nullptr || !checks.is(*findings, JsonKind::array, "'findings'")) return;
    out.entries.reserve(findings->children.size());
    for (const JsonNode& node : findings->children) parse_entry(checks, node, out);
}

bool covers(const BaselineEntry& entry, const Finding& finding) {
    return !entry.symbols || std::all_of(finding.symbols.begin(), finding.symbols.end(), [&](const auto& symbol) {
        return std::find(entry.symbols->begin(), entry.symbols->end(), base::printable(symbol)) != entry.symbols->end();
    });
}

}  // namespace

BaselineFile parse_baseline(std::string_view text, const std::filesystem::path& path) {
    BaselineFile file;
    file.baseline.path = path;
    JsonSource source(text, path.string(), limits);
    if (source.root() != nullptr) parse(source, file.baseline);
    file.diagnostics = source.take_diagnostics();
    return file;
}

Result<BaselineFile> read_baseline(const std::filesystem::path& path) {
    const Result<std::string> text = base::read_text_file(path, limits.size);
    if (!text) return text.error();
    return parse_baseline(*text, path);
}

std::vector<const BaselineEntry*> apply_baseline(AuditReport& report, const Baseline& baseline) {
    std::unordered_map<std::string_view, std::vector<const BaselineEntry*>> open;
    for (const BaselineEntry& entry : baseline.entries) open[entry.fingerprint].push_back(&entry);
    std::unordered_set<const Finding*> matched;
    std::unordered_set<const BaselineEntry*> used;
    // Each entry is good for one finding: first for that at its own path, then for one that has moved; and what the
    // policy accepts anyway takes none from those that need it.
    for (const bool same_path : {true, false}) {
        for (const bool accepted : {false, true}) {
            for (Finding& finding : report.findings) {
                if (finding.accepted.empty() == accepted || matched.contains(&finding)) continue;
                const auto entries = open.find(finding.fingerprint);
                if (entries == open.end()) continue;
                const std::string path = base::printable(finding.path);
                const auto found = std::find_if(entries->second.begin(), entries->second.end(), [&](const auto* entry) {
                    return !used.contains(entry) && (!same_path || entry->path == path) && covers(*entry, finding);
                });
                if (found == entries->second.end()) continue;
                used.insert(*found);
                matched.insert(&finding);
            }
        }
    }
    for (Finding& finding : report.findings)
        if (finding.accepted.empty() && matched.contains(&finding)) finding.accepted = "baseline";
    std::vector<const BaselineEntry*> stale;
    for (const BaselineEntry& entry : baseline.entries)
        if (!used.contains(&entry)) stale.push_back(&entry);
    return stale;
}

std::string baseline_text(const AuditReport& report) {
    using Json = nlohmann::ordered_json;
    Json findings = Json::array();
    for (const Finding& finding : report.findings) {
        if (!finding.accepted.empty() && finding.accepted != "baseline") continue;
        Json entry{{"fingerprint", finding.fingerprint}, {"rule", finding.rule->id}};
        if (!finding.module.empty()) entry["module"] = base::printable(finding.module);
        entry["path"] = base::printable(finding.path);
        entry["message"] = base::printable(finding.message);
        if (!finding.symbols.empty()) {
            entry["symbols"] = Json::array();
            for (const std::string& symbol : finding.symbols) entry["symbols"].push_back(base::printable(symbol));
        }
        findings.push_back(std::move(entry));
    }
    const Json json{{"$schema", "urn:interlock:schema:baseline:1"}, {"version", 1}, {"findings", std::move(findings)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace interlock
