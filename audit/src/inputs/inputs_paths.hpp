// inputs_paths.hpp: files and folders by paths of any length, and where they really are. A system call takes 4096 bytes
// of a path, and a tree can be deeper.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "inputs/inputs_content.hpp"

namespace interlock::auditing::inputs {

/// As open(2), with O_CLOEXEC; no descriptor and errno on failure.
base::Descriptor open_path(const std::string& path, int flags);
/// A file by its folder and its name there, the same whatever path led to it. Two hard links are two files: modules go
/// by their names.
std::string place_in(const struct stat& folder, const std::string& name);
/// The absolute path without links of what a descriptor is of; nullopt and errno if that is not to be had.
std::optional<std::string> path_of(int descriptor);
/// place_in() of a file that may be reached through links; its path where the system does not say.
std::string place_of(const std::string& path);

}  // namespace interlock::auditing::inputs
