// audit_library.hpp: the one function of the library _audit. Built together with its user, so it may have C++ types.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "module_audit.hpp"

namespace interlock::python {

/// What audit_module() returns.
extern "C" __attribute__((visibility("default"))) void interlock_python_audit(
    PythonVersion python, const std::filesystem::path& file, const std::string& module,
    Result<auditing::ExtensionModule>& result);

}  // namespace interlock::python
