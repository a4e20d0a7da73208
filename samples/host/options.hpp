// What the user of the program asks for.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "image.hpp"

struct Options {
    std::vector<std::string> filters = {"blur", "legacy_sharpen", "grayscale"};
    std::vector<std::filesystem::path> search_path;
    std::filesystem::path policy, output;
    unsigned threads = 0;
    std::size_t width = 1024, height = 768, images = 8;
    std::vector<std::filesystem::path> files;

    std::size_t image_count() const { return files.empty() ? images : files.size(); }
    /// Read from its file, or made.
    Image image(std::size_t index) const;
    std::filesystem::path output_file(std::size_t index) const;
};

/// Nothing, after a message on stderr, if the arguments are wrong.
std::optional<Options> parse_options(int argc, char** argv);
