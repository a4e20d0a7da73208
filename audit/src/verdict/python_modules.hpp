// python_modules.hpp: CPython's modules in one image: PyInit_ and PyModExport_ functions, and what each says.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "emulation/init_run.hpp"
#include "image/image.hpp"
#include "verdict/binary.hpp"
#include "verdict/linked_libraries.hpp"
#include "verdict/python_abi.hpp"

namespace interlock::auditing::verdict {

/// The entry points of one module.
struct PythonEntries {
    const image::Export* init = nullptr;      ///< PyInit_
    const image::Export* exported = nullptr;  ///< PyModExport_
};

/// What is known of an image before its modules are looked at. All outlives the call.
struct PythonImage {
    const image::Image& image;
    const Linked& linked;
    const BinaryContext& context;
    const AuditOptions& options;
    const FileTag& tag;
    const LinkedAbi& abi;
    std::span<const PythonVersion> asked;
};

/// Adds the modules, by their names, to those of the file, and says for which interpreters the file is. `others`: init
/// functions of other files that are linked into it. True if something of a library that is not there was used.
bool audit_python_modules(BinaryAudit& binary, const PythonImage& image,
                          const std::map<std::string, PythonEntries>& modules,
                          std::span<const image::Export* const> others, emulation::InitRunner& runner);

}  // namespace interlock::auditing::verdict
