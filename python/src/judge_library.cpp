// judge_library.cpp: see judge_library.hpp.
//
// SPDX-License-Identifier: MIT
#include "judge_library.hpp"

#include <interlock/auditor.hpp>

namespace interlock::python {

namespace {

AuditOptions options_for(PythonVersion python) {
    AuditOptions options;
    options.pythons = {python};
    return options;
}

class AuditorAsJudge final : public Judge {
public:
    explicit AuditorAsJudge(PythonVersion python) : python_(python) {}

    Result<std::vector<BinaryAudit>> audit(const std::filesystem::path& file, const std::string& module) override {
        // Caught here: the caller is another library, with a type of the same name.
        try {
            return Auditor(options_for(python_)).audit(file, module);
        } catch (const Failure& failure) {
            return failure.error();
        }
    }

private:
    const PythonVersion python_;
};

}  // namespace

Judge* interlock_python_make_judge(PythonVersion python) {
    return new AuditorAsJudge(python);
}

}  // namespace interlock::python
