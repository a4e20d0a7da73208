// judge.hpp: the part of the host that reads modules and runs their init functions in an emulator. It lies in a library
// of its own, _judge, which is only mapped for a file that no cache knows: with all that it needs it takes half as long
// as Python itself to start.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::python {

/// As Auditor, with a process for each call, which ends with it. [any-thread]
class Judge {
public:
    Judge() = default;
    virtual ~Judge() = default;
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    /// Errors: also io_error, when there can be no process.
    virtual Result<std::vector<BinaryAudit>> audit(const std::filesystem::path& file, const std::string& module) = 0;
};

/// Of the library, which lies beside the one with this code. Empty when that cannot be found out.
std::filesystem::path file_of_judge();

/// Maps the library, for good. Throws Failure with io_error.
std::unique_ptr<Judge> make_judge(PythonVersion python);

}  // namespace interlock::python
