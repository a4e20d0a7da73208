// python_judge.cpp: what python/src/judge.hpp asks for, in a program that has the audit inside.
//
// SPDX-License-Identifier: MIT
#include "../python/src/judge_library.hpp"

namespace interlock::python {

std::filesystem::path file_of_judge() { return {}; }

Result<std::vector<BinaryAudit>> judge(PythonVersion python, const std::filesystem::path& file,
                                       const std::string& module) {
    Result<std::vector<BinaryAudit>> result = std::vector<BinaryAudit>();
    interlock_python_judge(python, file, module, result);
    return result;
}

}  // namespace interlock::python
