// interlock/diagnostic.hpp: what is wrong with a JSON file that a user wrote, and where.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>

namespace interlock {

enum class Severity : std::uint8_t { error, warning };

/// One finding in a policy, manifest or baseline.
struct Diagnostic {
    Severity severity = Severity::error;
    std::string file;
    std::size_t line = 0, column = 0;  ///< from 1; columns count bytes; 0 = the file as a whole
    std::string code;                  ///< stable, e.g. "unknown-key", "duplicate-key", "expired-rule"
    std::string message;               ///< values escaped
    std::string hint;                  ///< what to do, e.g. "did you mean 'threading'?"; may be empty

    /// "file:line:column: error: message [code]; hint"
    IL_API std::string text() const;
};
using Diagnostics = std::vector<Diagnostic>;

/// True if one of them is an error.
IL_API bool has_errors(const Diagnostics& diagnostics) noexcept;
/// text() of all errors (not the warnings), one a line.
IL_API std::string error_text(const Diagnostics& diagnostics);

/// What a code stands for; for `interlock explain` and the documentation.
struct DiagnosticCode {
    std::string_view code;
    Severity severity = Severity::error;
    std::string_view explanation;  ///< what it means and what to do, in a few sentences
};
/// All codes that parse_policy and parse_manifest can report. [any-thread]
IL_API std::span<const DiagnosticCode> diagnostic_codes() noexcept;

}  // namespace interlock
