// audit_verbs.cpp: the verbs of the program with the audit (verbs.hpp).
//
// SPDX-License-Identifier: MIT
#include "audit_program.hpp"
#include "verbs.hpp"

namespace interlock::cli {

std::vector<Verb> all_verbs() { return {plan_verb(), config_verb(), audit_verb(), inspect_verb(), explain_verb()}; }

void become_audit_program(char**) {}  // this is it

}  // namespace interlock::cli
