// report.hpp: what the report formats share.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit_output.hpp>
#include <nlohmann/json.hpp>

namespace interlock::auditing::report {

using Json = nlohmann::ordered_json;

// One for each format.
std::string table_report(const AuditReport& report, const AuditOutputOptions& options);
std::string json_report(const AuditReport& report, const AuditOutputOptions& options);
std::string ndjson_report(const AuditReport& report, const AuditOutputOptions& options);
std::string sarif_report(const AuditReport& report, const AuditOutputOptions& options);
std::string markdown_report(const AuditReport& report, const AuditOutputOptions& options);
std::string csv_report(const AuditReport& report, const AuditOutputOptions& options);

/// How many of what.
struct Tally {
    std::array<std::size_t, verdict_count> modules{};  // primary ones, by verdict
    std::size_t errors = 0, warnings = 0, notes = 0;   // findings that are not accepted
    std::size_t accepted = 0;
    std::size_t count(Verdict verdict) const noexcept { return modules[static_cast<std::size_t>(verdict)]; }
    std::size_t all_modules() const noexcept;
};
Tally tally(const AuditReport& report) noexcept;

/// "3 modules", "1 module".
std::string counted(std::size_t number, std::string_view what);
/// "2 modules in 1 package: 1 free, 1 unmarked"; packages without modules do not count.
std::string counted_modules(const AuditReport& report, const Tally& count);
/// The verdict, and the marker of a file for which it has no effect: "not_applicable (marked free)".
std::string verdict_text(const ModuleAudit& module);
/// Whether the message says already where it is: "policy.json:4:1: ...", "cannot read 'x.whl': ...".
bool names_place(std::string_view message, std::string_view path);
/// What there is to say about a module without a finding: "GIL stays off", ...
std::string_view in_words(Verdict verdict) noexcept;

// The parts of the JSON report, which the other JSON formats use as well.
Json to_json(const PackageAudit& package);
Json to_json(const BinaryAudit& binary);
Json to_json(const ModuleAudit& module);
Json to_json(const Finding& finding);
Json to_json(const InputError& error);
Json summary_json(const AuditReport& report);
/// JSON text; what is no UTF-8 becomes U+FFFD. `indent` -1: one line.
std::string to_text(const Json& json, int indent = -1);

/// The findings by what they are about.
class FindingIndex {
public:
    explicit FindingIndex(const AuditReport& report);
    /// Those of a module of a binary, those about all its slices included.
    std::vector<const Finding*> of(const BinaryAudit& binary, const ModuleAudit& module) const;
    /// Those of the path itself.
    std::vector<const Finding*> of(std::string_view path) const;

private:
    std::vector<const Finding*> find(std::string_view path, std::string_view module) const;
    std::vector<const Finding*> sorted_;
};

/// "IL001 IL005": each once, in order.
std::string rule_ids(const std::vector<const Finding*>& findings);

}  // namespace interlock::auditing::report
