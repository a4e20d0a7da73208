// report_csv.cpp: RFC 4180, with a header: modules, then findings, then inputs that could not be read. A spreadsheet
// takes a cell that begins with = + - @ for a formula; such text gets an apostrophe in front, which it shows as text.
//
// SPDX-License-Identifier: MIT
#include <initializer_list>
#include <map>

#include "base/printable.hpp"
#include "report/report.hpp"

namespace interlock::auditing::report {

namespace {

std::string cell(std::string_view value) {
    // Without control characters, so that neither a tab nor a line break comes first or gets in between.
    std::string text = base::printable(value);
    const std::string_view formula = "=+-@|%";
    const std::size_t first = text.find_first_not_of(' ');
    // Full-width forms count as well in some languages: U+FF1D, U+FF0B, U+FF0D, U+FF20.
    const auto wide = [&](std::string_view sign) { return text.compare(first, sign.size(), sign) == 0; };
    if (first != text.npos && (formula.find(text[first]) != formula.npos || wide("\xef\xbc\x9d") ||
                               wide("\xef\xbc\x8b") || wide("\xef\xbc\x8d") || wide("\xef\xbc\xa0")))
        text.insert(0, "'");
    if (text.find_first_of(",;\"' ") == text.npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

void add_row(std::string& text, const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : ",") + cell(cells[i]);
    text += "\r\n";
}

}  // namespace

std::string csv_report(const AuditReport& report, const AuditOutputOptions&) {
    std::string text;
    std::vector<std::string> header = {"type",   "package", "package_version", "path",   "architecture",
                                       "module", "verdict", "confidence",      "marker", "abi"};
    for (const PythonVersion& python : report.pythons) header.push_back(python.text());
    for (const char* name : {"rules", "level", "message", "accepted"}) header.emplace_back(name);
    add_row(text, header);

    const FindingIndex findings(report);
    for (const BinaryAudit& binary : report.binaries) {
        const PackageAudit* package =
            binary.package < report.packages.size() ? &report.packages[binary.package] : nullptr;
        for (const ModuleAudit& module : binary.modules) {
            std::vector<std::string> row = {"module",
                                            package == nullptr ? "" : package->name,
                                            package == nullptr ? "" : package->version,
                                            binary.path,
                                            binary.architecture,
                                            module.name,
                                            std::string(verdict_name(module.verdict)),
                                            std::string(confidence_name(module)),
                                            !module.marker   ? ""
                                            : *module.marker ? "gil_not_used"
                                                             : "gil_used",
                                            std::string(abi_flavour_name(binary.abi))};
            for (const PythonVersion& python : report.pythons) {
                std::string effect;
                for (const EffectOn& on : module.effects) {
                    if (on.python == python) effect = effect_name(on.effect);
                }
                row.push_back(std::move(effect));
            }
            row.insert(row.end(), {rule_ids(findings.of(binary, module)), "", module.reason, ""});
            add_row(text, row);
        }
    }
    const std::size_t effects = report.pythons.size();
    const auto add = [&](std::vector<std::string> first, std::size_t gap, std::initializer_list<std::string> last) {
        first.insert(first.end(), gap, "");
        first.insert(first.end(), last);
        add_row(text, first);
    };
    std::map<std::string_view, const PackageAudit*> packages;
    for (const PackageAudit& package : report.packages) packages.emplace(package.path, &package);
    for (const BinaryAudit& binary : report.binaries) {
        if (binary.package < report.packages.size()) packages[binary.path] = &report.packages[binary.package];
    }
    for (const Finding& finding : report.findings) {
        const auto package = packages.find(finding.path);
        const bool known = package != packages.end();
        add({"finding", known ? package->second->name : "", known ? package->second->version : "", finding.path,
             finding.architecture, finding.module},
            4 + effects,
            {std::string(finding.rule->id), std::string(level_text(finding.level)), finding.message, finding.accepted});
    }
    for (const InputError& error : report.errors)
        add({"error", "", "", error.path, "", ""}, 4 + effects, {"", "", error.message, ""});
    return text;
}

}  // namespace interlock::auditing::report
