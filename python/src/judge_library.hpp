// judge_library.hpp: the one function of the library _judge. Built together with its user, so it may have C++ types.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "judge.hpp"

namespace interlock::python {

/// The caller's.
extern "C" __attribute__((visibility("default"))) Judge* interlock_python_make_judge(PythonVersion python);

}  // namespace interlock::python
