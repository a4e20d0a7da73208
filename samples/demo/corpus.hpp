// The real files that the demonstration works on.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

struct Corpus {
    std::vector<std::string> texts;  ///< contents of the files, in the order of their paths
    std::size_t bytes = 0;           ///< of all of them
};

/// Reads the regular files below `folder` that can be read, in the order of their paths, until `limit` bytes are
/// together; links are not followed. Throws std::runtime_error if there is nothing.
Corpus read_corpus(const std::filesystem::path& folder, std::size_t limit);
