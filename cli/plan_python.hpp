// plan_python.hpp: `interlock plan --python`: what a Python environment would do, without running any of it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "options.hpp"

namespace interlock::cli {

/// `targets`: a script or a folder, or none for all that the interpreter could import.
int plan_python(const std::string& python, Context& context, const std::vector<std::string>& targets);

}  // namespace interlock::cli
