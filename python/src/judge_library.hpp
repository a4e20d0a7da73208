// judge_library.hpp: the one function of the library _judge. Built together with its user, so it may have C++ types.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "judge.hpp"

namespace interlock::python {

/// What judge() returns.
extern "C" __attribute__((visibility("default"))) void interlock_python_judge(
    PythonVersion python, const std::filesystem::path& file, const std::string& module,
    Result<auditing::ExtensionModule>& result);

}  // namespace interlock::python
