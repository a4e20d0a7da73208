// interlock/warning.hpp: what interlock tells the user without being asked.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include <interlock/diagnostic.hpp>
#include <interlock/export.hpp>
#include <interlock/policy.hpp>
#include <interlock/warning_filter.hpp>

namespace interlock {

/// A labelled line below the headline of a warning: "file", "why", "imported by", "effect", "fix".
struct WarningDetail {
    std::string label, text;
};

struct Warning {
    WarningCategory category = WarningCategory::fallback;
    std::string module;    ///< full dotted name, unescaped; may be empty
    std::string headline;  ///< one line
    std::vector<WarningDetail> details;
    bool python = false;  ///< the headline is CPython's (LoaderOptions::python_wording)

    /// For people: the headline behind "interlock: warning: " ("RuntimeWarning: " if it is CPython's), then the
    /// details, indented. Ends with a newline.
    IL_API std::string text() const;
    /// One JSON object in one line, without newline: {"category", "module", "message", "details": {label: [texts]}};
    /// with "python_category" if the headline is CPython's.
    IL_API std::string to_json() const;
};

/// The headline of the category `fallback` for a module of that name.
IL_API std::string fallback_headline(std::string_view module);
/// CPython's text (Python/import.c, _PyImport_CheckGILForModule) for the same, without "RuntimeWarning: ".
IL_API std::string python_fallback_headline(std::string_view module);

/// What is wrong in a policy file and no error, as a warning of the category `policy`.
IL_API Warning as_warning(const Diagnostic& diagnostic);

}  // namespace interlock
