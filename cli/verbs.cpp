// verbs.cpp: the verbs of `interlock`, the program that loads modules (verbs.hpp).
//
// SPDX-License-Identifier: MIT
#include "verbs.hpp"

namespace interlock::cli {

namespace {

Verb elsewhere(const char* name, const char* summary) {
    Verb verb;
    verb.name = name;
    verb.summary = summary;
    verb.elsewhere = true;
    return verb;
}

}  // namespace

std::vector<Verb> all_verbs() {
    return {run_verb(),
            import_verb(),
            call_verb(),
            elsewhere("plan", plan_summary),
            python_verb(),
            elsewhere("config", config_summary),
            policy_check_verb(),
            manifest_create_verb(),
            manifest_check_verb(),
            elsewhere("audit", audit_summary),
            elsewhere("inspect", inspect_summary),
            elsewhere("explain", explain_summary)};
}

}  // namespace interlock::cli
