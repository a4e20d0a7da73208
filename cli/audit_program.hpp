// audit_program.hpp: the other program of the command. The audit needs libraries that must not be in the process where
// modules run: the dynamic linker would give a module ours in place of its own, as those of the program come first.
//
// SPDX-License-Identifier: MIT
#pragma once

namespace interlock::cli {

/// Becomes the program with the verbs of the audit, for the same command line. Returns only in that program itself.
/// Throws CommandError(exit_unreadable) when it is not there.
void become_audit_program(char** argv);

}  // namespace interlock::cli
