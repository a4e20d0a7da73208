// module_audit.hpp: the part of the host that reads modules and runs their init functions in an emulator. It lies in a
// library of its own, _audit, which is only mapped for a file that no cache knows: with all that it needs it takes half
// as long as Python itself to start.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "audit/extension_module.hpp"

namespace interlock::python {

/// Of the library, which lies beside the one with this code. Empty when that cannot be found out.
std::filesystem::path file_of_audit();

/// audit_extension(). Errors: also io_error, when the library cannot be mapped. [any-thread]
Result<auditing::ExtensionModule> audit_module(PythonVersion python, const std::filesystem::path& file,
                                               const std::string& module);

}  // namespace interlock::python
