// rules_help_policy.cpp: what to do about statements of users on modules: policies and manifests.
//
// SPDX-License-Identifier: MIT
#include "rules/rules_help.hpp"

namespace interlock::auditing::rules::help {

const std::string_view how_to_renew_a_manifest =
    R"(Look at the new binary first: what was stated of the old one need not hold for it. Then

    interlock manifest create --force --module NAME --threading free --declared-by WHO --reason WHY FILE.so

`--pin build-id` survives `strip`; the default, a hash of all of the file, does not. When the statement is not wanted
any more, remove `FILE.so.interlock.json`. `interlock manifest check FILE.so` says whether it fits.

### interlock
Whoever has the source writes the marker into it, and needs no manifest: `IL_MODULE(name, FREE, ...)`.

### C, Cython, pybind11, nanobind, PyO3, f2py, SWIG, mypyc, cffi
Manifests are for modules of interlock. Python's interpreters do not read them; what accepts an extension module here is
a policy rule.
)";

const std::string_view how_to_solve_a_refusal =
    R"(The finding repeats the reason, and names the rule. When the reason holds, take the module out of the package or
the environment, or replace it by a version for which it does not hold. When it does not hold any more, remove the rule;
or put one for the good version in front of it, as the first rule that matches decides:

    {"match": {"module": "name", "sha256": "..."}, "threading": "free", "reason": "this build was looked at"}

`interlock policy check POLICY FOLDER` prints how often each rule decides.
)";

const std::string_view how_to_tidy_a_policy =
    R"(`interlock policy check POLICY FOLDER` prints how often each rule decides. A pattern is compared with the full
dotted name, `package.module` and not the file name; the first rule that matches decides, so a general one in front
leaves nothing for the others. Correct the rule or remove it.

For a policy that is shared by several audits: `--ignore policy-unused`.
)";

const std::string_view how_to_renew_a_rule =
    R"(Look whether its reason still holds: a new version of the module may carry a marker by now (`interlock audit`
without the policy says so). Then write a later date, or remove the rule:

    {"match": {"module": "name"}, "threading": "free", "reason": "looked at again", "expires": "2027-06-30"}
)";

}  // namespace interlock::auditing::rules::help
