// interlock/baseline.hpp: the findings that were there when somebody started to look, in a JSON file. They do not
// count, so that only new ones do. Format: schema/baseline.schema.json.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>
#include <interlock/diagnostic.hpp>

namespace interlock {

/// One finding that is accepted. It is recognised by its fingerprint; of several with the same one the path tells
/// which.
struct BaselineEntry {
    std::string fingerprint;
    std::optional<std::vector<std::string>> symbols;  ///< that the finding may list; nullopt: any
    std::string path;
    std::string rule, module, message;  ///< for people
    std::size_t line = 0, column = 0;   ///< of the entry in its file
};
struct Baseline {
    std::filesystem::path path;
    std::vector<BaselineEntry> entries;
};
/// A baseline and what there is to say about its file; usable when no diagnostic is an error.
struct BaselineFile {
    Baseline baseline;
    Diagnostics diagnostics;
};

/// Parses text; never throws for bad input. [any-thread]
IL_API BaselineFile parse_baseline(std::string_view text, const std::filesystem::path& path);
/// Errors of reading: not_found, unreadable; a file with wrong content is a value with errors.
IL_API Result<BaselineFile> read_baseline(const std::filesystem::path& path);

/// Accepts the findings that are in the baseline ("baseline"), as far as they are not accepted yet: one for each entry.
/// A finding that lists a symbol which its entry does not have is a new one. Returns the entries that fit no finding
/// any more; they point into `baseline`.
IL_API std::vector<const BaselineEntry*> apply_baseline(AuditReport& report, const Baseline& baseline);

/// The text of a baseline with all findings of the report that count, and those that an older baseline accepts.
/// Ordered by path, module and rule.
IL_API std::string baseline_text(const AuditReport& report);

}  // namespace interlock
