// report_ndjson.cpp: one JSON object a line, each with its "type": for tools that filter and join lines, and for
// readers that should not need memory for all of a large report. It is written when the audit has ended, as what a
// package comes to and what others decide is not known before.
//
// SPDX-License-Identifier: MIT
#include <interlock/version.hpp>

#include "report/report.hpp"

namespace interlock::auditing::report {

namespace {

/// The members of `json` behind those that say what the line is.
void add_line(std::string& text, Json line, const Json& json) {
    for (const auto& [key, value] : json.items()) line[key] = value;
    text += to_text(line) + '\n';
}

}  // namespace

std::string ndjson_report(const AuditReport& report, const AuditOutputOptions&) {
    std::string text;
    for (const PackageAudit& package : report.packages) add_line(text, Json{{"type", "package"}}, to_json(package));
    for (const BinaryAudit& binary : report.binaries) {
        const PackageAudit* package =
            binary.package < report.packages.size() ? &report.packages[binary.package] : nullptr;
        for (const ModuleAudit& module : binary.modules) {
            add_line(text,
                     Json{{"type", "module"},
                          {"path", binary.path},
                          {"package", package == nullptr ? "" : package->name},
                          {"package_version", package == nullptr ? "" : package->version},
                          {"package_path", package == nullptr ? "" : package->path},
                          {"format", binary.format},
                          {"architecture", binary.architecture},
                          {"platform", binary.platform},
                          {"abi", abi_flavour_name(binary.abi)}},
                     to_json(module));
        }
    }
    for (const Finding& finding : report.findings) add_line(text, Json{{"type", "finding"}}, to_json(finding));
    for (const InputError& error : report.errors) add_line(text, Json{{"type", "error"}}, to_json(error));
    for (const std::string& skipped : report.skipped) add_line(text, Json{{"type", "skipped"}, {"what", skipped}}, {});
    add_line(text, Json{{"type", "summary"}, {"schema_version", 1}, {"interlock", INTERLOCK_VERSION}},
             summary_json(report));
    return text;
}

}  // namespace interlock::auditing::report
