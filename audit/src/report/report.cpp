// report.cpp: what the report formats share, and the choice between them.
//
// SPDX-License-Identifier: MIT
#include "report/report.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include <interlock/escape.hpp>

#include "base/printable.hpp"

namespace interlock {

using namespace auditing::report;

std::string_view audit_format_name(AuditFormat format) noexcept {
    constexpr std::array<std::string_view, all_audit_formats.size()> names = {"table", "json",     "ndjson",
                                                                              "sarif", "markdown", "csv"};
    return names[static_cast<std::size_t>(format)];
}

std::optional<AuditFormat> audit_format_from_name(std::string_view name) noexcept {
    for (const AuditFormat format : all_audit_formats) {
        if (audit_format_name(format) == name) return format;
    }
    return std::nullopt;
}

std::optional<AuditFormat> audit_format_for_file(std::string_view name) noexcept {
    struct Ending {
        std::string_view text;
        AuditFormat format;
    };
    // ".sarif.json" before ".json".
    constexpr Ending endings[] = {
        {".sarif", AuditFormat::sarif},   {".sarif.json", AuditFormat::sarif}, {".json", AuditFormat::json},
        {".ndjson", AuditFormat::ndjson}, {".jsonl", AuditFormat::ndjson},     {".md", AuditFormat::markdown},
        {".csv", AuditFormat::csv},       {".txt", AuditFormat::table},
    };
    for (const Ending& ending : endings) {
        if (name.ends_with(ending.text)) return ending.format;
    }
    return std::nullopt;
}

std::string format_audit(const AuditReport& report, AuditFormat format, const AuditOutputOptions& options) {
    switch (format) {
        case AuditFormat::table:
            return table_report(report, options);
        case AuditFormat::json:
            return json_report(report, options);
        case AuditFormat::ndjson:
            return ndjson_report(report, options);
        case AuditFormat::sarif:
            return sarif_report(report, options);
        case AuditFormat::markdown:
            return markdown_report(report, options);
        case AuditFormat::csv:
            return csv_report(report, options);
    }
    return {};
}

namespace auditing::report {

std::size_t Tally::all_modules() const noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 1; i < modules.size(); ++i) sum += modules[i];  // 0 is not_a_module
    return sum;
}

Tally tally(const AuditReport& report) noexcept {
    static_assert(static_cast<std::size_t>(Verdict::not_a_module) == 0);
    Tally tally;
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            if (module.primary) ++tally.modules[static_cast<std::size_t>(module.verdict)];
        }
    }
    for (const Finding& finding : report.findings) {
        if (!finding.accepted.empty()) {
            ++tally.accepted;
            continue;
        }
        ++(finding.level == Level::error     ? tally.errors
           : finding.level == Level::warning ? tally.warnings
                                             : tally.notes);
    }
    return tally;
}

std::string counted(std::size_t number, std::string_view what) {
    return std::to_string(number) + ' ' + std::string(what) + (number == 1 ? "" : "s");
}

std::string counted_modules(const AuditReport& report, const Tally& count) {
    if (count.all_modules() == 0)
        return "no compiled modules in " + counted(static_cast<std::size_t>(report.statistics.files), "file");
    const auto packages = std::count_if(report.packages.begin(), report.packages.end(), [](const auto& package) {
        return std::any_of(package.modules.begin() + 1, package.modules.end(), [](auto number) { return number != 0; });
    });
    std::string text =
        counted(count.all_modules(), "module") + " in " + counted(static_cast<std::size_t>(packages), "package");
    const char* separator = ": ";
    for (const Verdict verdict : {Verdict::free, Verdict::unmarked, Verdict::global_lock, Verdict::undetermined,
                                  Verdict::delegated, Verdict::not_applicable}) {
        if (count.count(verdict) == 0) continue;
        text += separator + std::to_string(count.count(verdict)) + ' ' + std::string(verdict_name(verdict));
        separator = ", ";
    }
    return text;
}

std::string verdict_text(const ModuleAudit& module) {
    std::string text(verdict_name(module.verdict));
    if (module.verdict == Verdict::not_applicable && module.marker)
        text.append(" (marked ").append(verdict_name(*module.marker ? Verdict::free : Verdict::global_lock)) += ')';
    return text;
}

bool names_place(std::string_view message, std::string_view path) {
    constexpr std::size_t no_limit = 1u << 20;
    return path.empty() || message.starts_with(base::printable(path) + ':') ||
           message.find(quoted(path, no_limit)) != message.npos;
}

std::string_view in_words(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::free:
            return "keeps the GIL off";
        case Verdict::global_lock:
            return "turns the GIL on";
        case Verdict::unmarked:
            return "turns the GIL on";
        case Verdict::not_applicable:
            return "for interpreters with a GIL";
        case Verdict::delegated:
            return "decided by another module";
        case Verdict::undetermined:
            return "not known";
        case Verdict::not_a_module:
            break;
    }
    return "no module";
}

FindingIndex::FindingIndex(const AuditReport& report) {
    for (const Finding& finding : report.findings) sorted_.push_back(&finding);
    std::stable_sort(sorted_.begin(), sorted_.end(), [](const Finding* a, const Finding* b) {
        return std::tie(a->path, a->module) < std::tie(b->path, b->module);
    });
}

std::vector<const Finding*> FindingIndex::of(const BinaryAudit& binary, const ModuleAudit& module) const {
    auto found = find(binary.path, module.name);
    std::erase_if(found, [&](const Finding* finding) {
        return !finding->architecture.empty() && finding->architecture != binary.architecture;
    });
    return found;
}

std::vector<const Finding*> FindingIndex::of(std::string_view path) const { return find(path, ""); }

std::vector<const Finding*> FindingIndex::find(std::string_view path, std::string_view module) const {
    const auto key = std::pair(path, module);
    const auto begin =
        std::lower_bound(sorted_.begin(), sorted_.end(), key, [](const Finding* finding, const auto& wanted) {
            return std::pair<std::string_view, std::string_view>(finding->path, finding->module) < wanted;
        });
    auto end = begin;
    while (end != sorted_.end() && (*end)->path == path && (*end)->module == module) ++end;
    return {begin, end};
}

std::string rule_ids(const std::vector<const Finding*>& findings) {
    std::set<std::string_view> ids;
    for (const Finding* finding : findings) ids.insert(finding->rule->id);
    std::string text;
    for (const std::string_view id : ids) text.append(text.empty() ? "" : " ").append(id);
    return text;
}

}  // namespace auditing::report

}  // namespace interlock
