// python_judge.cpp: what python/src/judge.hpp asks for, in a program that has the audit inside.
//
// SPDX-License-Identifier: MIT
#include "../python/src/judge_library.hpp"

namespace interlock::python {

std::filesystem::path file_of_judge() { return {}; }

std::unique_ptr<Judge> make_judge(PythonVersion python) {
    return std::unique_ptr<Judge>(interlock_python_make_judge(python));
}

}  // namespace interlock::python
