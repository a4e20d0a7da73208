// python_support.hpp: programs that the tests take for Python interpreters.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "support.hpp"

namespace interlock::test {

inline std::string write_program(const Folder& folder, const std::string& name, const std::string& content) {
    const std::string file = folder.write(name, content);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
}

}  // namespace interlock::test
