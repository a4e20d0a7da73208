// manifest_beside.hpp: the manifest next to a file on disk.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include <interlock/result.hpp>

namespace interlock::auditing::inputs {

/// Its text; empty if there is none. Errors: invalid_manifest (larger than 1 MiB), unreadable.
Result<std::string> manifest_beside(const std::filesystem::path& binary);

}  // namespace interlock::auditing::inputs
