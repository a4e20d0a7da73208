// interlock/audit_output.hpp: an audit as text, for people and for programs. docs/audit.md describes the formats.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/audit.hpp>

namespace interlock {

enum class AuditFormat : std::uint8_t {
    table,     ///< for people
    json,      ///< all of it; schema/audit-report.schema.json
    ndjson,    ///< one JSON object a line: packages, modules, findings, errors, skipped inputs, the summary
    sarif,     ///< SARIF 2.1.0, within the limits of GitHub's code scanning
    markdown,  ///< for the comment of a pull request, not longer than GitHub takes
    csv,       ///< RFC 4180, safe to open in a spreadsheet
};
inline constexpr std::array<AuditFormat, 6> all_audit_formats = {AuditFormat::table,    AuditFormat::json,
                                                                 AuditFormat::ndjson,   AuditFormat::sarif,
                                                                 AuditFormat::markdown, AuditFormat::csv};
IL_API std::string_view audit_format_name(AuditFormat format) noexcept;  ///< "table", "json", ...
IL_API std::optional<AuditFormat> audit_format_from_name(std::string_view name) noexcept;
/// By the ending of a file name: .txt, .json, .ndjson or .jsonl, .sarif or .sarif.json, .md, .csv.
IL_API std::optional<AuditFormat> audit_format_for_file(std::string_view name) noexcept;

struct AuditOutputOptions {
    bool color = false;    ///< table: with colours
    bool verbose = false;  ///< table: also modules without findings, notes one by one, and what is accepted
    bool summary = true;   ///< table: with the last line
    /// The folder from which relative paths start: the working folder. SARIF wants paths from the root of the
    /// repository, which is the root of the git work tree around it, else the folder itself. Empty: paths stay.
    std::filesystem::path base{};
};

/// The report in one text, UTF-8 whatever was in the files, and with a newline at the end. Nothing in it is obeyed by a
/// terminal, a Markdown renderer or a spreadsheet. [any-thread]
IL_API std::string format_audit(const AuditReport& report, AuditFormat format, const AuditOutputOptions& options = {});

/// One binary with all its evidence, for people: what `interlock inspect` prints. `report` is the one it is from; made
/// with AuditOptions::details. [any-thread]
IL_API std::string format_evidence(const AuditReport& report, const BinaryAudit& binary,
                                   const AuditOutputOptions& options = {});

}  // namespace interlock
