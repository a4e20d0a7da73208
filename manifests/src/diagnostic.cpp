// diagnostic.cpp: the table of diagnostic codes, whose texts are in manifests/codes.md, and how a diagnostic reads.
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

constexpr auto table = std::to_array<DiagnosticCode>({
#include "diagnostic_codes.inc"
});
static_assert(table.size() == static_cast<std::size_t>(Code::shadowed_rule) + 1);

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
