// report_sarif.cpp: SARIF 2.1.0 as GitHub's code scanning takes it: one run, a region for each location, paths from the
// root of the repository, and not more results than it accepts.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/version.hpp>

#include "printable.hpp"
#include "report.hpp"

namespace interlock::auditing {

namespace {

/// GitHub refuses a run with more, and shows the 5000 most severe.
constexpr std::size_t most_results = 25'000;
constexpr std::size_t longest_message = 4000;

/// SARIF takes [text](target) in a message for a link.
std::string message_text(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        if (c == '[' || c == ']') out += '\\';
        out += c;
    }
    if (out.size() <= longest_message) return out;
    std::size_t end = longest_message;
    while ((static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
    return out.substr(0, end) + "...";
}

std::string percent_encoded(std::string_view path) {
    constexpr std::string_view digits = "0123456789ABCDEF", kept = "-._~/!";
    std::string out;
    for (const char c : path) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || kept.find(c) != kept.npos) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.append({'%', digits[byte >> 4], digits[byte & 15]});
        }
    }
    return out;
}

/// "dist/x.whl!pkg/a.so" is "dist/x.whl!/pkg/a.so": as Java writes places in archives. Relative to `base` if it is
/// there; of other absolute paths a file: URI.
std::string uri(const std::string& path, const std::filesystem::path& base) {
    const std::size_t mark = path.find('!');
    std::filesystem::path file = std::filesystem::path(path.substr(0, mark)).lexically_normal();
    std::string member;
    for (std::size_t begin = mark; begin < path.size();) {
        const std::size_t end = std::min(path.find('!', begin + 1), path.size());
        member += "!/" + path.substr(begin + 1, end - begin - 1);
        begin = end;
    }
    if (file.is_absolute() && !base.empty()) {
        const std::filesystem::path relative = file.lexically_relative(base);
        if (!relative.empty() && *relative.begin() != "..") file = relative;
    }
    std::string text = file.string();
    if (text.empty()) text = ".";
    return (file.is_absolute() ? "file://" : "") + percent_encoded(text + member);
}

Json rules_json() {
    Json list = Json::array();
    for (const Rule& rule : rules()) {
        const std::string text = std::string(rule.help) + "\n\n" + std::string(rule.fix);
        const char* severity = rule.level == Level::error     ? "error"
                               : rule.level == Level::warning ? "warning"
                                                              : "recommendation";
        list.push_back(Json{{"id", rule.id},
                            {"name", rule.name},
                            {"shortDescription", {{"text", rule.summary}}},
                            {"fullDescription", {{"text", rule.help}}},
                            {"help", {{"text", text}, {"markdown", text}}},
                            {"defaultConfiguration", {{"level", level_text(rule.level)}}},
                            {"properties",
                             {{"tags", Json::array({"free-threading", "python"})},
                              {"precision", "very-high"},
                              {"problem.severity", severity}}}});
    }
    return list;
}

Json location(const std::string& path, const std::string& module, const std::filesystem::path& base) {
    Json json{{"physicalLocation", {{"artifactLocation", {{"uri", uri(path, base)}}}, {"region", {{"startLine", 1}}}}}};
    if (!module.empty())
        json["logicalLocations"] = Json::array({Json{{"fullyQualifiedName", printable(module)}, {"kind", "module"}}});
    return json;
}

Json result(const Finding& finding, const std::filesystem::path& base) {
    const auto index = static_cast<std::size_t>(finding.rule - rules().data());
    std::string text = message_text(finding.message);
    if (!finding.fix.empty()) text += "\n" + message_text(finding.fix);
    Json json{{"ruleId", finding.rule->id},
              {"ruleIndex", index},
              {"level", level_text(finding.level)},
              {"message", {{"text", text}}},
              {"locations", Json::array({location(finding.path, finding.module, base)})},
              // The second is the only one that GitHub looks at.
              {"partialFingerprints",
               {{"interlock/v1", finding.fingerprint}, {"primaryLocationLineHash", finding.fingerprint + ":1"}}}};
    if (!finding.accepted.empty())
        json["suppressions"] = Json::array(
            {Json{{"kind", "external"}, {"status", "accepted"}, {"justification", printable(finding.accepted)}}});
    return json;
}

/// All, or the most severe of those that count; in the order of the report.
std::vector<const Finding*> chosen(const AuditReport& report) {
    std::vector<const Finding*> list;
    for (const Finding& finding : report.findings) list.push_back(&finding);
    if (list.size() <= most_results) return list;
    std::stable_sort(list.begin(), list.end(), [](const Finding* a, const Finding* b) {
        if (a->accepted.empty() != b->accepted.empty()) return a->accepted.empty();
        return a->level > b->level;
    });
    list.resize(most_results);
    return list;
}

}  // namespace

std::string sarif_report(const AuditReport& report, const AuditOutputOptions& options) {
    const auto findings = chosen(report);
    Json results = Json::array();
    for (const Finding* finding : findings) results.push_back(result(*finding, options.base));
    Json notifications = Json::array();
    for (const InputError& error : report.errors)
        notifications.push_back(Json{{"level", "error"},
                                     {"descriptor", {{"id", errc_name(error.code)}}},
                                     {"message", {{"text", message_text(error.message)}}},
                                     {"locations", Json::array({location(error.path, "", options.base)})}});
    Json run{{"tool",
              {{"driver",
                {{"name", "interlock"},
                 {"semanticVersion", INTERLOCK_VERSION},
                 {"shortDescription", {{"text", "Reads the free-threading marker out of compiled modules"}}},
                 {"rules", rules_json()}}}}},
             {"invocations", Json::array({Json{{"executionSuccessful", report.errors.empty()},
                                               {"toolExecutionNotifications", std::move(notifications)}}})},
             {"columnKind", "utf16CodeUnits"},
             {"results", std::move(results)}};
    if (findings.size() < report.findings.size())
        run["properties"] = Json{{"omittedResults", report.findings.size() - findings.size()}};
    const Json json{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                    {"version", "2.1.0"},
                    {"runs", Json::array({std::move(run)})}};
    return to_text(json, 2) + '\n';
}

}  // namespace interlock::auditing
