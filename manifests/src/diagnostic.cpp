// diagnostic.cpp: the table of diagnostic codes, and how a diagnostic reads.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>

#include <interlock/diagnostic.hpp>
#include <interlock/escape.hpp>

#include "manifests/codes.hpp"

namespace interlock {
using namespace manifests;
namespace {

constexpr std::array<DiagnosticCode, static_cast<std::size_t>(Code::shadowed_rule) + 1> table = {{
    {"syntax", Severity::error,
     "The file is not JSON (RFC 8259; // and /* */ comments are allowed). The position is that of the first thing that "
     "does not fit; look also at what stands before it, often a comma or a quote is missing there."},
    {"too-large", Severity::error,
     "The file has more than 1 MiB or more than 65536 values, which no hand-written file has: it is probably the wrong "
     "file. Patterns such as 'legacy.*' replace long lists of modules."},
    {"too-deep", Severity::error,
     "Objects and arrays are nested more than 32 deep. Neither file format needs more than four levels."},
    {"duplicate-key", Severity::error,
     "One object contains the same key twice. JSON leaves open which one counts, so neither does: remove one."},
    {"unknown-key", Severity::error,
     "The key has no meaning there. It is an error and not ignored, because a rule with a misspelt condition would "
     "match "
     "more modules than it says."},
    {"missing-key", Severity::error, "A key that must be present is not."},
    {"wrong-type", Severity::error, "The value has another JSON type than this key takes."},
    {"unknown-version", Severity::error,
     "The file says that it is written for another version of the format. Nothing else in it is looked at. Use a newer "
     "interlock, or write the file for version 1."},
    {"unknown-word", Severity::error, "The text is none of the words that this key takes."},
    {"empty-value", Severity::error,
     "The text is empty or blank. A reason, for instance, is required so that whoever finds the rule in two years "
     "knows "
     "whether it still applies."},
    {"empty-match", Severity::error,
     "A rule's match has no condition, so it would match every module. If that is meant, write {\"module\": \"*\"}."},
    {"bad-glob", Severity::error,
     "The pattern is malformed: a '[' without ']', a backslash at the end, or a range such as [z-a]. To match such a "
     "character itself, write a backslash before it (in JSON: two)."},
    {"bad-hash", Severity::error,
     "A sha256 is 64 hexadecimal digits; a build_id is an even number of them, from 8 to 128. `sha256sum FILE` and "
     "`readelf -n FILE` print them."},
    {"bad-date", Severity::error, "A date is written YYYY-MM-DD and must exist in the calendar."},
    {"bad-module-name", Severity::error,
     "A module is named by its full dotted name, such as pkg.part: identifiers separated by single dots, without the "
     "path or the ending of the file, and without wildcards. Letters, digits and '_' make an identifier."},
    {"bad-filter", Severity::error,
     "A warning filter is action[:category[:module]]. Actions: default, once, always, ignore, error. Categories: "
     "fallback, marker, manifest, policy, stall, module. The module is a glob on the dotted name."},
    {"expired-rule", Severity::warning,
     "The last day on which the rule counts has passed (UTC), so the rule matches nothing any more. Decide anew: "
     "remove "
     "it, or extend it with a new reason."},
    {"shadowed-rule", Severity::warning,
     "The rule can never match, because an earlier rule matches everything that it would match, and the first match "
     "wins. Move it up, or remove it."},
}};

}  // namespace

const DiagnosticCode& manifests::info(Code code) noexcept { return table[static_cast<std::size_t>(code)]; }

std::span<const DiagnosticCode> diagnostic_codes() noexcept { return table; }

std::string Diagnostic::text() const {
    std::string out = escape(file, 4096);
    if (line != 0) {
        out += ':' + std::to_string(line);
        if (column != 0) out += ':' + std::to_string(column);
    }
    out += severity == Severity::error ? ": error: " : ": warning: ";
    out += message;
    out += " [" + code + ']';
    if (!hint.empty()) out += "; " + hint;
    return out;
}

bool has_errors(const Diagnostics& diagnostics) noexcept {
    return std::any_of(diagnostics.begin(), diagnostics.end(),
                       [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::string error_text(const Diagnostics& diagnostics) {
    std::string out;
    for (const Diagnostic& d : diagnostics) {
        if (d.severity != Severity::error) continue;
        if (!out.empty()) out += '\n';
        out += d.text();
    }
    return out;
}

}  // namespace interlock
