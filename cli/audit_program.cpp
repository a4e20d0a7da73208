// audit_program.cpp: finds and starts the program with the audit (audit_program.hpp).
//
// SPDX-License-Identifier: MIT
#include "audit_program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <interlock/escape.hpp>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

void become_audit_program(char** argv) {
    std::error_code error;
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    // As it is installed; or beside this one, where somebody has copied both.
    const fs::path places[] = {(folder / INTERLOCK_AUDIT_FOLDER / "interlock-audit").lexically_normal(),
                               folder / "interlock-audit"};
    int problem = 0;
    for (const fs::path& program : places) {
        ::execv(program.c_str(), argv);
        if (problem == 0 || problem == ENOENT) problem = errno;
    }
    throw CommandError(exit_unreadable,
                       fmt::format("cannot run {}, the part of the command that this verb is in: {}; install the "
                                   "command as a whole",
                                   quoted(places[0].string(), 4096), std::strerror(problem)));
}

}  // namespace interlock::cli
