// Images of the host: three bytes for each pixel, rows from the top; read from and written to PPM and PGM files.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

struct Image {
    std::size_t width = 0, height = 0;
    std::vector<std::uint8_t> pixels;  ///< height * width * 3

    Image() = default;
    Image(std::size_t w, std::size_t h) : width(w), height(h), pixels(w * h * 3) {}
};

/// Reads a binary PPM (P6) or PGM (P5) file with 8 bits. Throws std::runtime_error naming file and reason.
Image read_image(const std::filesystem::path& file);
/// Writes a PPM file. Throws std::runtime_error.
void write_image(const std::filesystem::path& file, const Image& image);
/// A picture with smooth areas, edges and noise; the same for the same `seed`.
Image test_image(std::size_t width, std::size_t height, std::uint32_t seed);
/// A number that differs when the pixels differ (FNV-1a).
std::uint64_t checksum(const Image& image);
