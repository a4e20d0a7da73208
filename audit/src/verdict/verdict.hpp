// verdict.hpp: from what was seen of a module to a verdict and its effects.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>

#include <interlock/audit.hpp>

#include "emulation/init_run.hpp"
#include "verdict/python_abi.hpp"

namespace interlock::auditing::verdict {

/// Everything about one way to make a module: by PyInit_ or by PyModExport_.
struct Seen {
    std::string entry_point;
    emulation::InitResult run;
    bool emulated = true;      ///< false: from the data of the file
    std::string other_python;  ///< "PyPy": nothing was run, as the model is one of CPython
};

/// Fills verdict, confidence, reason, marker, marker_kind, phase, delegated_to, evidence, assumed, slots, calls and
/// instructions of `module`.
void give_verdict(ModuleAudit& module, const Seen& seen, AbiFlavour abi, bool details);

/// Whether a free-threaded interpreter takes the file for a module, although it is for interpreters with a GIL.
bool finds_file_for_gil(const BinaryAudit& binary, const FileTag& tag, PythonVersion python) noexcept;

/// What importing does to each of `pythons`. `newer` is the module as interpreters from 3.15 on see it, when the file
/// has both kinds of entry points, else null. `only_newer`: it has no PyInit_.
std::vector<EffectOn> effects_of(const BinaryAudit& binary, const FileTag& tag, const ModuleAudit& module,
                                 const ModuleAudit* newer, bool only_newer, std::span<const PythonVersion> pythons);

}  // namespace interlock::auditing::verdict
