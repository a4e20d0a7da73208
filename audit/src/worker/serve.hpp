// serve.hpp: the inside of a process that judges and unpacks (worker.hpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <interlock/audit.hpp>

namespace interlock::auditing::worker {

/// In the child of a fork(): gives up all rights, and answers what comes through the socket until it is closed.
[[noreturn]] void serve(int socket, const AuditOptions& options);

}  // namespace interlock::auditing::worker
