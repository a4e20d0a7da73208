// interlock_modules.hpp: modules of interlock itself: what their marker says, a manifest beside the file, or, for those
// of the legacy kind, their init function.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <interlock/audit.hpp>

#include "emulation/init_run.hpp"
#include "image/image.hpp"
#include "verdict/binary.hpp"

namespace interlock::auditing::verdict {

struct InterlockFile {
    const image::Image& image;
    image::Bytes file;
    const BinaryContext& context;
    const AuditOptions& options;
    emulation::InitRunner& runner;
};

/// Fills abi, abi_evidence and modules of `binary`: all modules of interlock that the file exports.
void audit_interlock_modules(BinaryAudit& binary, const InterlockFile& of);

}  // namespace interlock::auditing::verdict
