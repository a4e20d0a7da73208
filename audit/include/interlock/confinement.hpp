// interlock/confinement.hpp: what keeps the processes of an audit that read, unpack and emulate foreign bytes from
// everything else.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <interlock/result.hpp>

namespace interlock {

/// Beside limits of memory, files, processes and processor time, which are always there.
struct Confinement {
    bool seccomp = false;   ///< only the system calls that judging takes; others fail, those of another processor kill
    unsigned landlock = 0;  ///< version of Landlock that takes all rights to files and network away; 0: it is not there
};

/// What is in force on this system, found out in a process that is forked for it. [any-thread] The environment variable
/// INTERLOCK_AUDIT_WITHOUT ("seccomp", "landlock", or both with a comma between them) does without, for tests and for
/// systems on which one of them does harm.
IL_API Confinement confinement();

}  // namespace interlock
