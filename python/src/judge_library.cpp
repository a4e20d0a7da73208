// judge_library.cpp: an Auditor for one file. Exceptions end here, as the caller has types of the same names of its
// own.
//
// SPDX-License-Identifier: MIT
#include "judge_library.hpp"

#include <utility>

#include <interlock/auditor.hpp>

namespace interlock::python {

void interlock_python_judge(PythonVersion python, const std::filesystem::path& file, const std::string& module,
                            Result<std::vector<BinaryAudit>>& result) {
    AuditOptions options;
    options.pythons = {python};
    // Caught here: the caller may be another library, with a type of the same name.
    try {
        result = Auditor(std::move(options)).audit(file, module);
    } catch (const Failure& failure) {
        result = failure.error();
    }
}

}  // namespace interlock::python
