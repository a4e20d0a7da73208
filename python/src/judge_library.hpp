// judge_library.hpp: the one function of the library _judge. Built together with its user, so it may have C++ types.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "judge.hpp"

#define INTERLOCK_MAKE_JUDGE "interlock_python_make_judge"

namespace interlock::python {

/// The caller's. Throws Failure as Auditor does.
using MakeJudge = Judge*(PythonVersion python);

}  // namespace interlock::python
