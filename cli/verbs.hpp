// verbs.hpp: the verbs of the command, one file each.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "command_line.hpp"

namespace interlock::cli {

Verb run_verb();
Verb import_verb();
Verb plan_verb();
Verb python_verb();
Verb config_verb();
Verb policy_check_verb();
Verb manifest_create_verb();
Verb manifest_check_verb();
Verb audit_verb();
Verb inspect_verb();
Verb explain_verb();

/// What -V and -VV print.
std::string version_text(bool how_it_was_built);

}  // namespace interlock::cli
