// extension_module.hpp: what the audit says of one module of one file, as far as an import by CPython needs it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::auditing {

struct ExtensionModule {
    Verdict verdict = Verdict::undetermined;
    Confidence confidence = Confidence::certain;
    Effect effect = Effect::unknown;  ///< in the interpreter that imports
    std::string effect_why, reason, delegated_to, build_id;
    std::vector<Evidence> evidence;
};

/// Judges it in a process that ends with the call. Of a universal file the slice for this machine counts. Errors:
/// those of Auditor::audit(); not_found, when there is no module in the file; io_error, when there can be no process.
/// [any-thread]
Result<ExtensionModule> audit_extension(PythonVersion python, const std::filesystem::path& file,
                                        const std::string& module);

}  // namespace interlock::auditing
