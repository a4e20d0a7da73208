// report_sarif.cpp: SARIF 2.1.0 as GitHub's code scanning takes it: one run, a region for each location, paths from the
// root of the repository, and not more results than it accepts.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <system_error>
#include <vector>

#include <interlock/version.hpp>

#include "base/distribution_name.hpp"
#include "base/printable.hpp"
#include "report/report.hpp"
#include "rules/findings.hpp"

namespace interlock::auditing::report {

namespace {

/// GitHub refuses a run with more, and shows the 5000 most severe.
constexpr std::size_t most_results = 25'000;
constexpr std::size_t longest_message = 4000;
constexpr const char* source_root = "%SRCROOT%";  // as GitHub's own tools call it

/// SARIF takes [text](target) in a message for a link.
std::string message_text(std::string_view text) {
    std::string out;
    for (const char c : base::printable(text)) {
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

/// The name of a member, with what leads out of its archive left out.
std::string inside(std::string_view member) {
    std::vector<std::string_view> parts;
    while (!member.empty()) {
        const std::string_view part = member.substr(0, member.find('/'));
        member.remove_prefix(std::min(part.size() + 1, member.size()));
        if (part == ".." && !parts.empty())
            parts.pop_back();
        else if (!part.empty() && part != "." && part != "..")
            parts.push_back(part);
    }
    std::string text;
    for (const std::string_view part : parts) text.append(text.empty() ? "" : "/").append(part);
    return text;
}

/// Of a file on this machine, from the root of the repository; elsewhere a file: URI. `base` is the folder that
/// relative paths start from. "dist/x.whl!pkg/a.so" is "dist/x.whl!/pkg/a.so": as Java writes places in archives.
std::string file_uri(const std::string& path, const std::filesystem::path& base, const std::filesystem::path& root) {
    const std::size_t mark = path.find('!');
    std::filesystem::path file = std::filesystem::path(path.substr(0, mark));
    if (!base.empty()) file = base / file;
    file = file.lexically_normal();
    std::string member;
    for (std::size_t begin = mark; begin < path.size();) {
        const std::size_t end = std::min(path.find('!', begin + 1), path.size());
        member += "!/" + inside(std::string_view(path).substr(begin + 1, end - begin - 1));
        begin = end;
    }
    if (file.is_absolute() && !root.empty()) {
        const std::filesystem::path relative = file.lexically_relative(root);
        if (!relative.empty() && *relative.begin() != "..") file = relative;
    }
    std::string text = file.string();
    if (text.empty()) text = ".";
    return (file.is_absolute() ? "file://" : "") + percent_encoded(text + member);
}

/// The root of the git work tree around a folder, or the folder.
std::filesystem::path root_of(const std::filesystem::path& base) {
    for (std::filesystem::path folder = base; !folder.empty(); folder = folder.parent_path()) {
        std::error_code failed;
        if (std::filesystem::exists(folder / ".git", failed)) return folder;
        if (folder == folder.parent_path()) break;
    }
    return base;
}

/// What a finding is said to be about. GitHub takes an alert for a new one when the path changes, and the paths of
/// wheels and installed files contain versions and tags: so what belongs to a distribution goes by the name of the
/// module.
class Places {
public:
    Places(const AuditReport& report, const std::filesystem::path& base) : base_(base), root_(root_of(base)) {
        for (const PackageAudit& package : report.packages)
            if (rules::is_distribution(package))
                names_.emplace(package.path, percent_encoded(base::normalized_distribution_name(package.name)));
        for (const BinaryAudit& binary : report.binaries) {
            if (binary.package >= report.packages.size() || !rules::is_distribution(report.packages[binary.package]))
                continue;
            const ModuleAudit* module = rules::primary_module(binary);
            if (module == nullptr) continue;
            std::string name = module->name;
            std::replace(name.begin(), name.end(), '.', '/');
            const std::string file = binary.path.substr(binary.path.find_last_of("/!") + 1);
            const std::size_t dot = std::min(file.rfind('.'), file.size());
            names_.insert_or_assign(binary.path, percent_encoded(inside(name + file.substr(dot))));
        }
    }

    std::string uri(const std::string& path) const {
        const auto found = names_.find(path);
        return found == names_.end() ? file_uri(path, base_, root_) : found->second;
    }
    Json location(const std::string& path, const std::string& module) const {
        const std::string text = uri(path);
        Json artifact{{"uri", text}};
        if (!text.starts_with("file://")) artifact["uriBaseId"] = source_root;
        Json json{{"physicalLocation", {{"artifactLocation", std::move(artifact)}, {"region", {{"startLine", 1}}}}}};
        if (!module.empty())
            json["logicalLocations"] =
                Json::array({Json{{"fullyQualifiedName", base::printable(module)}, {"kind", "module"}}});
        return json;
    }

private:
    std::filesystem::path base_, root_;
    std::map<std::string, std::string, std::less<>> names_;
};

Json rules_json() {
    Json list = Json::array();
    for (const Rule& rule : interlock::rules()) {
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

/// `occurrence`: the how manieth with its fingerprint, as builds of a module for several interpreters share one.
Json result(const Finding& finding, const Places& places, std::size_t occurrence) {
    const auto index = static_cast<std::size_t>(finding.rule - interlock::rules().data());
    std::string text = message_text(finding.message);
    if (!finding.fix.empty()) text += "\n" + message_text(finding.fix);
    text += "\nFile: " + message_text(finding.path);
    Json properties{{"path", base::printable(finding.path)}};
    if (!finding.architecture.empty()) properties["architecture"] = base::printable(finding.architecture);
    return Json{{"ruleId", finding.rule->id},
                {"ruleIndex", index},
                {"level", level_text(finding.level)},
                {"message", {{"text", text}}},
                {"locations", Json::array({places.location(finding.path, finding.module)})},
                // The second is the only one that GitHub looks at.
                {"partialFingerprints",
                 {{"interlock/v1", finding.fingerprint},
                  {"primaryLocationLineHash", finding.fingerprint + ':' + std::to_string(occurrence)}}},
                {"properties", std::move(properties)}};
}

/// Those that count, or the most severe of them; in the order of the report. GitHub does not read `suppressions`: what
/// is accepted would be open alerts there.
std::vector<const Finding*> chosen(const AuditReport& report, std::size_t& omitted) {
    std::vector<const Finding*> list;
    for (const Finding& finding : report.findings)
        if (finding.accepted.empty()) list.push_back(&finding);
    omitted = list.size() - std::min(list.size(), most_results);
    if (omitted == 0) return list;
    std::stable_sort(list.begin(), list.end(), [](const Finding* a, const Finding* b) { return a->level > b->level; });
    list.resize(most_results);
    return list;
}

}  // namespace

std::string sarif_report(const AuditReport& report, const AuditOutputOptions& options) {
    const Places places(report, options.base);
    std::size_t omitted = 0;
    std::map<std::string_view, std::size_t> occurrences;
    Json results = Json::array();
    for (const Finding* finding : chosen(report, omitted))
        results.push_back(result(*finding, places, ++occurrences[finding->fingerprint]));
    Json notifications = Json::array();
    for (const InputError& error : report.errors)
        notifications.push_back(Json{{"level", "error"},
                                     {"descriptor", {{"id", errc_name(error.code)}}},
                                     {"message", {{"text", message_text(error.message)}}},
                                     {"locations", Json::array({places.location(error.path, "")})}});
    Json run{{"tool",
              {{"driver",
                {{"name", "interlock"},
                 {"semanticVersion", INTERLOCK_VERSION},
                 {"shortDescription", {{"text", "Reads the free-threading marker out of compiled modules"}}},
                 {"rules", rules_json()}}}}},
             {"invocations", Json::array({Json{{"executionSuccessful", report.errors.empty()},
                                               {"toolExecutionNotifications", std::move(notifications)}}})},
             {"originalUriBaseIds", {{source_root, {{"description", {{"text", "The root of the repository"}}}}}}},
             {"columnKind", "utf16CodeUnits"},
             {"results", std::move(results)}};
    if (omitted != 0) run["properties"] = Json{{"omittedResults", omitted}};
    const Json json{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                    {"version", "2.1.0"},
                    {"runs", Json::array({std::move(run)})}};
    return to_text(json, 2) + '\n';
}

}  // namespace interlock::auditing::report
