// audit_library.cpp: an Auditor for one file. Exceptions end here, as the caller has types of the same names of its
// own.
//
// SPDX-License-Identifier: MIT
#include "audit_library.hpp"

namespace interlock::python {

// It throws nothing: the caller is another library, with types of the same names.
void interlock_python_audit(PythonVersion python, const std::filesystem::path& file, const std::string& module,
                            Result<auditing::ExtensionModule>& result) {
    result = auditing::audit_extension(python, file, module);
}

}  // namespace interlock::python
