// rules.cpp: the table of the rules. Ids and names are part of the interface: they are in baselines, policies of CI and
// SARIF histories, so none is ever given another meaning.
//
// SPDX-License-Identifier: MIT
#include "rules/rules.hpp"

#include <array>

#include "rules/rules_help.hpp"

namespace interlock {

namespace {

using namespace auditing::rules;

// The help texts are in other files; their addresses are constant, their values not, so the table is made at first use.
const std::array<Rule, rule_count>& table() noexcept {
    static const std::array<Rule, rule_count> rules = {{
        {"IL001", "unmarked", Level::error, "The module does not say that it is safe without the GIL",
         "The file was built for free-threaded interpreters and carries no marker. An interpreter that imports it "
         "turns "
         "the GIL on, for all modules and all threads, and keeps it on until the process ends; a RuntimeWarning names "
         "the "
         "module. For a module of interlock: the runtime falls back to locked mode.\n\n"
         "The file name and the wheel tag say for which ABI a module was built, not that it is safe: only the marker "
         "does. It is a note when none of the interpreters that were asked for loads the file.",
         help::how_to_mark},
        {"IL002", "gil-used", Level::error, "The module says that it uses the GIL",
         "The marker is there and has the value \"used\" (Py_MOD_GIL_USED, or threading level global_lock). The effect "
         "is "
         "that of no marker: the GIL comes back at import. Some frameworks write this value into every module that "
         "does "
         "not ask for the other one, so it need not be a statement of the author.",
         help::how_to_change_the_mark},
        {"IL003", "mixed-package", Level::warning, "Some modules of the package are marked free, others are not",
         "One module without the marker is enough to turn the GIL on, so the marks of the others are of no use once it "
         "is "
         "imported. Mostly a file was forgotten: another build target, a vendored extension, a module made by another "
         "framework. If it is imported only by a part of the package that few need, users of the others are not "
         "affected.",
         help::how_to_complete_a_package},
        {"IL004", "tag-mismatch", Level::error, "The file name or the wheel tag says something else than the binary",
         "Installers choose a wheel by its tag, and interpreters choose a file by its name. When the binary in it is "
         "for "
         "another ABI, version, machine or C library, the import fails or the process crashes, on the user's machine. "
         "The "
         "usual cause is a stale file of another build that was packed as well. Also an error: the tags of a wheel "
         "promise "
         "a machine for which none of its modules is, such as one half of a universal2 file.\n\n"
         "A warning: only some modules lack such a machine; files of other builds were left in the wheel, where nobody "
         "looks for them (one finding for all of them); the WHEEL file of a wheel names other tags than the file name, "
         "by which installers go. A note: a wheel for any platform holds modules that are for some only.",
         help::how_to_build_free_threaded},
        {"IL005", "undetermined", Level::warning, "It could not be found out what the module does",
         "The audit never guesses: where a value could not be followed to its end, the verdict is \"undetermined\" and "
         "the "
         "reason says what stood in the way. Import the module with a free-threaded interpreter and look at "
         "sys._is_gil_enabled() to know.",
         help::how_to_find_out},
        {"IL006", "abi3-in-free-threaded-tag", Level::error,
         "The tag offers a file of the stable ABI with a GIL to free-threaded interpreters",
         "Objects have another layout in free-threaded interpreters, so code that was compiled for plain abi3 reads "
         "and "
         "writes the wrong bytes. 3.13t and 3.14t find files that end in .abi3.so and load them: a module with "
         "single-phase initialisation crashes them, the import of one with multi-phase initialisation fails with a "
         "SystemError. 3.15t does not look for them. The stable ABI for both kinds of interpreter is abi3t (PEP 803), "
         "from 3.15 on.",
         help::how_to_build_free_threaded},
        {"IL007", "marker-too-late", Level::error, "The module declares itself safe when that does not count any more",
         "With multi-phase initialisation the interpreter takes the decision when it creates the module. A call of "
         "PyUnstable_Module_SetGIL() in the exec function comes behind it and changes nothing: the GIL is on.",
         help::how_to_mark_in_time},
        {"IL008", "writable-globals", Level::note, "The module is marked free and has much writable global data",
         "Global variables are shared by all threads. The marker states that the author looked at them; the finding "
         "gives "
         "the size, so that a reviewer knows where to look. Caches, lookup tables that are filled at first use, and "
         "Fortran's COMMON blocks are typical. Constants that are only filled at import do no harm.",
         help::how_to_protect_state},
        {"IL009", "hidden-state", Level::note, "The module is marked free and calls C functions that keep hidden state",
         "These functions of the C library have a static result, a static cursor, or change a property of the whole "
         "process. Under the GIL no two threads of Python code were in them at once; without it they are. getenv() is "
         "listed where the module sets variables as well.",
         help::how_to_protect_state},
        {"IL010", "borrowed-references", Level::note,
         "The module is marked free and calls C-API functions that return borrowed references",
         "A borrowed reference is only as good as the container that it comes from: when another thread takes the "
         "object "
         "out, it may be freed while it is still in use. Many uses are safe, so this is a list of places to look at, "
         "not a "
         "defect.",
         help::how_to_own_references},
        {"IL011", "delegation-target-missing", Level::warning,
         "Another module decides, and none that the interpreter can load is part of the audit",
         "The module leaves its creation to another one (_cffi_backend, the group module of mypyc, nanobind's backend, "
         "the library of Boost.Python), which holds the marker. What an import does depends on the version of that "
         "module which is installed beside it. The finding names the interpreters for which it is not known: a build "
         "of that module for another interpreter or machine says nothing about them. `--strict` makes it count.",
         help::how_to_provide_the_target},
        {"IL012", "manifest-mismatch", Level::warning, "The manifest beside the file is for another binary",
         "A manifest states the marker of a binary without one, and is pinned to it by hash or build-id. The binary "
         "was "
         "rebuilt or replaced, so the statement is about something that is not there any more and is ignored.",
         help::how_to_renew_a_manifest},
        {"IL013", "marker-value", Level::error, "The marker has a value that does not exist",
         "Py_mod_gil knows 0 (used) and 1 (not used). 3.13 and 3.14 take any other value for \"not used\", 3.15 takes "
         "it "
         "for \"used\": the same file behaves differently.",
         help::how_to_choose_the_value},
        {"IL014", "marker-twice", Level::error, "The module states the marker twice",
         "The interpreter refuses a definition with two Py_mod_gil slots: the import fails with a SystemError, "
         "whatever "
         "the values are. Slots of nested tables count as well.",
         help::how_to_mark_once},
        {"IL015", "policy-refused", Level::error, "A rule of the policy refuses the module",
         "Somebody wrote \"refuse\" for it, with a reason that the finding repeats. The loader does not import it.",
         help::how_to_solve_a_refusal},
        {"IL016", "policy-unused", Level::warning, "A rule of the policy decides for none of the modules",
         "Its pattern is misspelt, an earlier rule matches first, or the module has gone. A rule that nobody needs "
         "will "
         "one day match what it was not written for.",
         help::how_to_tidy_a_policy},
        {"IL017", "policy-expired", Level::warning, "A rule of the policy has expired",
         "The day up to which its author wanted it to count is over, so it does not count.", help::how_to_renew_a_rule},
        {"IL018", "slices-disagree", Level::warning, "The slices of a universal file say different things",
         "A file for several architectures holds one module for each. They have different verdicts, so what an import "
         "does "
         "depends on the machine. Mostly the slices were built at different times or with different options, and "
         "joined "
         "with lipo.",
         help::how_to_join_slices},
        {"IL019", "crashes", Level::error, "A free-threaded interpreter finds and loads the file, and crashes or fails",
         "The file was compiled for interpreters with a GIL, where objects have another layout. Its name does not keep "
         "free-threaded interpreters from it: 3.13t and 3.14t take every file that ends in .abi3.so, or has no tag at "
         "all, and check nothing. A module with single-phase initialisation crashes them. The import of one with "
         "multi-phase initialisation fails with \"SystemError: init function of ... returned uninitialized object\", "
         "if nothing crashes before: they look for the type of its definition in another place. A module that another "
         "one makes (cffi) may load, and go on with objects of the wrong layout. 3.15t takes files without a tag only, "
         "and refuses the definition (\"SystemError: invalid PyModuleDef\"). It is an error where one of them looks, "
         "in lib/python3.13t/site-packages or in a wheel whose ABI tag is none; a warning for a file that lies "
         "elsewhere; and nothing in an ordinary abi3 wheel or in the folder of an interpreter with a GIL, as "
         "free-threaded interpreters get nothing from there.",
         help::how_to_build_free_threaded},
        {"IL020", "nothing-loads", Level::warning, "The interpreter that was asked for can load nothing of the package",
         "`--python` says for which interpreter the files are meant, and no module of the distribution is for it: all "
         "of them are for other versions, for interpreters with a GIL, or for another implementation. So the audit "
         "says nothing about that interpreter, and a run without a finding would look as if all was well. One build "
         "of the distribution that it can load is enough. Without `--python` the rule finds nothing. `--strict` makes "
         "it count.",
         help::how_to_audit_the_right_build},
    }};
    return rules;
}

}  // namespace

namespace auditing {

const Rule& rule(RuleId id) noexcept { return table()[static_cast<std::size_t>(id)]; }

}  // namespace auditing

std::span<const Rule> rules() noexcept { return table(); }

const Rule* find_rule(std::string_view id_or_name) noexcept {
    // As people write it: "il001", "GIL_USED".
    const auto same = [](std::string_view a, std::string_view b) {
        const auto plain = [](char c) {
            if (c == '_') return '-';
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        if (a.size() != b.size()) return false;
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (plain(a[i]) != plain(b[i])) return false;
        }
        return true;
    };
    for (const Rule& rule : table()) {
        if (same(rule.id, id_or_name) || same(rule.name, id_or_name)) return &rule;
    }
    return nullptr;
}

}  // namespace interlock
