// explanations.cpp: the texts of `interlock explain`. A test compares the list with the codes that exist.
//
// SPDX-License-Identifier: MIT
#include "explanations.hpp"

#include <array>

namespace interlock::cli {

namespace {

constexpr std::string_view error = "error", warning = "warning", exit_status = "exit status";

constexpr auto table = std::to_array<Explanation>({
    // Errors, in the order of Errc.
    {error, "invalid_argument", "A function of the library was called with something that is never right.",
     "A bug in the program that embeds interlock, or in a module.", "The message names the function and the argument."},
    {error, "invalid_name", "What was given is not the name of a module or function.",
     "Names are dotted: letters, digits and '_', as in pkg.part. A path, an empty part, or a name beyond 1000 bytes is "
     "none.",
     "Give the dotted name, and its folder with --path or INTERLOCK_PATH. `interlock plan FILE.so` takes a file."},
    {error, "not_found", "There is no such module, function or file.",
     "The search path consists of --path and INTERLOCK_PATH only; the working folder is not part of it. Module a.b is "
     "a/b.so or a/b/__init__.so below one of them.",
     "The message lists where was searched and the nearest name. `interlock config path` prints the search path."},
    {error, "unreadable", "The file is there and cannot be read.",
     "No permission, a folder, a pipe or a device where a regular file is needed, or a failing disk.",
     "Look at the reason in the message; `ls -l` shows what the file is."},
    {error, "malformed_file", "The file is no shared library, or it is truncated or contradicts itself.",
     "An interrupted copy, a linker script, a file for another system, or a static library.",
     "Build or copy it again; `readelf -hl FILE` shows how far it can be read."},
    {error, "malformed_marker", "The file has a marker note that breaks the rules of the marker.",
     "The note was written by hand, cut off by a tool, or comes from a broken build. It is never guessed what was "
     "meant.",
     "Define the module with IL_MODULE from interlock/module.h, which writes the note; `interlock inspect FILE` and "
     "`readelf -n FILE` show it."},
    {error, "file_changed", "The file changed between reading its marker and mapping it.",
     "Something replaced or rewrote it meanwhile, often a build that is still running.",
     "Import it again when the build is done; install modules by renaming, not by writing over them."},
    {error, "load_failed", "The dynamic linker refused to load the library.",
     "A library that it needs is missing, a symbol is undefined, or it was built for another machine.",
     "The message has the linker's reason; `ldd FILE` lists what is missing."},
    {error, "missing_symbol", "The library has neither il_module_export_<name> nor il_module_init_<name>.",
     "It is no interlock module, or the last part of the module's name is not the id in IL_MODULE, or the symbol was "
     "hidden.",
     "`interlock inspect FILE` lists the entry points; rename the file, or the id."},
    {error, "wrong_abi", "The module was compiled for another version of interlock/module.h.",
     "The header and the host have different IL_ABI_VERSION.",
     "Compile the module with the header of the interlock that loads it."},
    {error, "export_failed", "The module's export function returned nothing usable.",
     "It returned NULL, or a definition whose name, size or table of functions is wrong.",
     "Define the module with IL_MODULE, and let the export function return a constant."},
    {error, "init_failed", "The init function of a legacy module failed.", "It raised an error, or returned no module.",
     "The message is the module's own; look at its documentation."},
    {error, "exec_failed", "The module's exec function failed, so it was not imported.",
     "It raised an error: something that the module needs is missing.",
     "The message is the module's own. Whatever the import had changed has been undone, so it can be tried again."},
    {error, "call_failed", "A function of a module returned an error.",
     "Mostly the arguments: their number, type or value.", "The message is the function's own."},
    {error, "refused", "A policy rule, or an override, refuses the module.",
     "Somebody wrote \"refuse\" for it, with a reason that the message repeats.",
     "Remove the rule when the reason is gone; `interlock plan MODULE` shows which one it is."},
    {error, "warning_as_error", "A warning filter turns a warning into an error, so the module was not imported.",
     "-W error, or such a filter in the policy. The runtime is in the mode it was in before.",
     "Do what the warning advises, or exempt the module: -W error -W default:fallback:MODULE."},
    {error, "switch_timeout", "The switch to locked mode was not done before its deadline, so it was called off.",
     "A thread ran module code and reached no safe point; the message names thread, module and function.",
     "Add il_safe_point() to the long loop or detach around work that blocks; or raise --switch-deadline."},
    {error, "import_deadlock", "Waiting for another import would never have ended.",
     "Two threads import two modules that import each other, in opposite order.",
     "Import one of the two first, before the threads start."},
    {error, "in_use", "The module cannot be unloaded now.",
     "Another module has imported it, a call is inside it, or the caller is.",
     "Unload who uses it first, or give unload() more time."},
    {error, "unloaded", "The module has been unloaded; what was kept of it is dead.",
     "A function or handle was used after the module had gone.",
     "Import the module again and look the function up anew."},
    {error, "wrong_state", "Not now: there is no runtime, a second one, or the thread is in the wrong state.",
     "A process has one runtime and one loader at a time; attaching and detaching must be balanced.",
     "The message says which rule was broken."},
    {error, "unsupported", "This build or this machine cannot do it.",
     "For example -X gil=0 in a build that cannot run without the global lock.",
     "`interlock -VV` shows how it was built; -DINTERLOCK_DISABLE_GIL=ON builds the free-threading runtime."},
    {error, "invalid_policy", "A policy file is wrong, and so is not used at all.",
     "A rule that is only half understood could allow too much.",
     "`interlock policy check FILE` names line and column."},
    {error, "invalid_manifest", "A manifest is wrong.", "Mostly a key that is missing or misspelt.",
     "`interlock manifest check FILE` names line and column; `interlock manifest create` writes a right one."},
    {error, "invalid_option", "An option or an environment variable has a wrong value.",
     "Environment variables are checked even when an option would count instead, as CPython does it.",
     "The message lists the values that are accepted; `interlock config` shows where each value comes from."},
    {error, "io_error", "Reading or writing failed.", "The operating system reported it: a full or failing disk.",
     "Look at the reason in the message."},
    {error, "internal", "A bug in interlock.", "Something that cannot happen did.",
     "Please report it with the message, the command line and the output of `interlock -VV`."},

    // Warning categories, in the order of WarningCategory. Filter them with -W, or in a policy.
    {warning, "fallback", "A module made the runtime fall back to locked mode: one thread at a time runs module code.",
     "The module has no marker, or it says that it needs the global lock. The runtime stays locked until the last such "
     "module is unloaded.",
     "Cheapest first: let the author declare the module safe (IL_MODULE(..., FREE, ...)); write a manifest for this "
     "binary; give it a lock of its own with a policy rule (\"module_lock\"). -X gil=0 never falls back, at your "
     "risk."},
    {warning, "marker", "A marker says something that this version does not know, or contradicts a manifest.",
     "The module was made for a newer interlock, or the manifest is left over from before the marker.",
     "Use a newer interlock, state the level in a policy rule, or remove the manifest."},
    {warning, "manifest", "A manifest was ignored.",
     "It is wrong, or it is for another binary: the module was rebuilt, and nobody has looked at the new one.",
     "Look at the new binary, then `interlock manifest create --force`."},
    {warning, "policy", "There is something to say about a policy file that is in use.",
     "A rule has expired, or can never match.", "`interlock policy check FILE DIR` shows it in full."},
    {warning, "stall", "A thread holds up the switch to locked mode, or a call of the command does not return.",
     "The thread runs module code and has reached no safe point for a second, so an import waits for it; or the call "
     "has taken five seconds.",
     "Add il_safe_point() to loops that run long, and put work that blocks between IL_BEGIN_ALLOW_THREADS and "
     "IL_END_ALLOW_THREADS. --switch-deadline makes the import give up instead, --timeout ends the command."},
    {warning, "module", "A module warns you, with il_warn().", "That depends on the module.",
     "The text is the module's own; -W ignore:module:NAME silences it."},

    {"policy diagnostic", "unused-rule", "No module in the folder was decided by this rule.",
     "Its pattern is misspelt, an earlier rule matches first, or the module has gone.",
     "Correct it or remove it: a rule that nobody needs will one day match what it was not written for."},

    // Exit statuses.
    {exit_status, "0", "All went well.", "For `plan`: all imports would succeed, without a fallback.", ""},
    {exit_status, "1", "There are findings, or an import or a call failed.",
     "A module could not be imported, a function failed for an input, `plan` foresees a fallback, --strict found a "
     "warning, or `audit` has a finding that --fail-on asks for. A wrong gil option ends with 1 as well, as in "
     "CPython.",
     "stderr says which; with --json stdout does."},
    {exit_status, "2", "The command line is wrong.", "An unknown verb or option, or a value that is not accepted.",
     "`interlock VERB --help`."},
    {exit_status, "3", "An input could not be read, or a file not be written.",
     "A file is missing, has no read permission, or is no regular file; or it is no shared library where one is "
     "needed. "
     "`run` and `audit` work through the other inputs first.",
     "stderr names each."},
    {exit_status, "4", "A policy, a manifest or a baseline is wrong.",
     "Nothing is imported or audited then: a rule that is only half understood could allow too much.",
     "`interlock policy check FILE` or `interlock manifest check FILE`; `audit --write-baseline` writes a right one."},
    {exit_status, "5", "A module ended the process in the middle of the command.",
     "It called exit(), quick_exit(), _exit() or pthread_exit() in a constructor, its exec or another function, "
     "instead "
     "of returning an error. Results that were not written are lost; the report says \"unfinished\".",
     "stderr names the module and the function; its author has to return an error there."},
    {exit_status, "6", "A call into a module, or an import, took longer than --timeout allows.",
     "It computes for long, waits for something that does not come, or waits for itself. Results that were not written "
     "are lost; the report says \"unfinished\".",
     "stderr names the module and the function; give a longer time if it is right to need it, or see in a debugger "
     "where it waits."},
    {exit_status, "70", "A bug in interlock.", "Something that cannot happen did.",
     "Please report it with the message, the command line and the output of `interlock -VV`."},
    {exit_status, "130", "`run` was interrupted (SIGINT, Ctrl-C); 143: terminated (SIGTERM).",
     "The calls that were under way have been finished, and their results written.", ""},
});

}  // namespace

std::span<const Explanation> explanations() noexcept { return table; }

}  // namespace interlock::cli
