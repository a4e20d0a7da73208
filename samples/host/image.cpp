// Reading, writing and making images (image.hpp).
//
// SPDX-License-Identifier: MIT
#include "image.hpp"

#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

namespace {

constexpr std::size_t max_side = 1 << 16;

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
    throw std::runtime_error(file.string() + ": " + what);
}

/// A number in the header of a PNM file; white space and comments may stand before it.
std::size_t header_number(std::istream& in, const std::filesystem::path& file) {
    while ((in >> std::ws).peek() == '#') in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    std::size_t number = 0;
    if (!(in >> number)) fail(file, "the header is not that of a PPM or PGM file");
    return number;
}

}  // namespace

Image read_image(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) fail(file, "cannot be opened");
    char magic[2] = {};
    in.read(magic, 2);
    if (magic[0] != 'P' || (magic[1] != '5' && magic[1] != '6')) fail(file, "not a binary PPM (P6) or PGM (P5) file");
    const std::size_t width = header_number(in, file), height = header_number(in, file);
    if (width == 0 || height == 0 || width > max_side || height > max_side)
        fail(file, "width or height is out of range");
    if (header_number(in, file) != 255) fail(file, "only 8 bits for each channel are supported");
    in.get();

    Image image(width, height);
    const bool gray = magic[1] == '5';
    const std::size_t size = width * height * (gray ? 1 : 3);
    in.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(size));
    if (static_cast<std::size_t>(in.gcount()) != size) fail(file, "ends before the last pixel");
    if (gray)
        for (std::size_t i = size; i-- > 0;)
            image.pixels[i * 3] = image.pixels[i * 3 + 1] = image.pixels[i * 3 + 2] = image.pixels[i];
    return image;
}

void write_image(const std::filesystem::path& file, const Image& image) {
    std::ofstream out(file, std::ios::binary);
    out << "P6\n" << image.width << ' ' << image.height << "\n255\n";
    out.write(reinterpret_cast<const char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
    if (!out.flush()) fail(file, "cannot be written");
}

Image test_image(std::size_t width, std::size_t height, std::uint32_t seed) {
    Image image(width, height);
    std::uint32_t random = seed * 2654435761u + 1;
    for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width; ++x) {
            random = random * 1664525u + 1013904223u;
            std::uint8_t* pixel = &image.pixels[(y * width + x) * 3];
            const bool square = (x / 32 + y / 32 + seed) % 2 == 0;
            pixel[0] = static_cast<std::uint8_t>(x * 255 / width);
            pixel[1] = static_cast<std::uint8_t>(y * 255 / height);
            pixel[2] = static_cast<std::uint8_t>((square ? 160 : 64) + (random >> 28));
        }
    }
    return image;
}

std::uint64_t checksum(const Image& image) {
    std::uint64_t hash = 14695981039346656037u;
    for (const std::uint8_t byte : image.pixels) hash = (hash ^ byte) * 1099511628211u;
    return hash;
}
