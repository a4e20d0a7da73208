// interlock/warning.hpp: what interlock tells the user without being asked.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

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
    std::string headline;  ///< one line; for `fallback` exactly CPython's text without "RuntimeWarning: "
    std::vector<WarningDetail> details;

    /// For people: the headline behind "RuntimeWarning: " (fallback) or "interlock: warning: ", then the details,
    /// indented. Ends with a newline.
    IL_API std::string text() const;
    /// One JSON object in one line, without newline: {"category", "module", "message", "details": {label: [texts]}}.
    IL_API std::string to_json() const;
};

/// CPython's text (Python/import.c, _PyImport_CheckGILForModule) for a module of that name.
IL_API std::string fallback_headline(std::string_view module);

}  // namespace interlock
