// judge.hpp: the part of the host that reads modules and runs their init functions in an emulator. It lies in a library
// of its own, _judge, which is only mapped for a file that no cache knows: with all that it needs it takes half as long
// as Python itself to start.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::python {

/// Of the library, which lies beside the one with this code. Empty when that cannot be found out.
std::filesystem::path file_of_judge();

/// As Auditor::audit(), in a process that ends with the call. Errors: also io_error, when the library cannot be mapped or
/// there can be no process. [any-thread]
Result<std::vector<BinaryAudit>> judge(PythonVersion python, const std::filesystem::path& file,
                                       const std::string& module);

}  // namespace interlock::python
