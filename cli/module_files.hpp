// module_files.hpp: the modules below a folder, with the names by which they would be imported from it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <interlock/marker.hpp>
#include <string>
#include <vector>

namespace interlock::cli {

struct FoundModule {
    std::string name;  ///< dotted, from the place in the folder
    ModuleFile file;
};

struct FolderScan {
    std::vector<FoundModule> modules;  ///< sorted by name
    std::vector<Error> unreadable;     ///< what might be one, and could not be looked at
};

/// Looks at all *.so files in `folder` and below; shared libraries that are no modules are left out, symbolic links to
/// folders are not followed. Throws CommandError(exit_unreadable) when the folder itself cannot be read.
FolderScan scan_folder(const std::filesystem::path& folder);

/// Whether the file offers any module.
bool is_module(const ModuleFile& file) noexcept;

}  // namespace interlock::cli
