// python_interpreter.hpp: which Python a verb is about, and questions to it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace interlock::cli {

/// environment.py
extern const char* const environment_program;

/// Full name of the interpreter: `given` (a file, a virtual environment, a name on PATH, or a version as 3.13t), else
/// INTERLOCK_PYTHON, else the newest free-threaded one on PATH. Throws CommandError.
std::string find_interpreter(const std::optional<std::string>& given);

struct Answer {
    int status = 0;  ///< exit status, or 128 + signal
    std::string out;
};
/// Runs it with our stderr and no stdin. Throws CommandError when it cannot be started.
Answer ask_interpreter(const std::string& interpreter, const std::vector<std::string>& arguments);

}  // namespace interlock::cli
