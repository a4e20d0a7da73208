// The command line of the program (options.hpp).
//
// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <charconv>
#include <cstdio>
#include <sstream>
#include <string_view>

namespace {

constexpr const char* usage =
    "usage: filter-host [options] [FILE.ppm|FILE.pgm...]\n"
    "Applies filters, which are native modules, to images. Without a file it makes test images.\n"
    "  --filters A,B,...  modules, in this order (default blur,legacy_sharpen,grayscale)\n"
    "  --path DIR         where the modules are, may be given several times (default: beside the program)\n"
    "  --policy FILE      interlock policy (default: $INTERLOCK_POLICY)\n"
    "  --threads N        default: $INTERLOCK_THREADS, else one for each CPU\n"
    "  --size WxH         of the test images (default 1024x768)\n"
    "  --images N         number of test images (default 8)\n"
    "  --output DIR       writes the pictures there, as PPM files\n";

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 65536;
}

bool parse_size(std::string_view text, Options& options) {
    const std::size_t x = text.find('x');
    return x != text.npos && parse_number(text.substr(0, x), options.width) &&
           parse_number(text.substr(x + 1), options.height);
}

bool take(std::string_view name, const char* value, Options& options) {
    if (name == "--filters") {
        options.filters.clear();
        std::istringstream names(value);
        for (std::string filter; std::getline(names, filter, ',');) options.filters.push_back(filter);
        return !options.filters.empty();
    }
    if (name == "--path") return options.search_path.emplace_back(value), true;
    if (name == "--policy") return options.policy = value, true;
    if (name == "--output") return options.output = value, true;
    if (name == "--threads") return parse_number(value, options.threads);
    if (name == "--images") return parse_number(value, options.images);
    return name == "--size" && parse_size(value, options);
}

}  // namespace

Image Options::image(std::size_t index) const {
    return files.empty() ? test_image(width, height, static_cast<std::uint32_t>(index)) : read_image(files[index]);
}

std::filesystem::path Options::output_file(std::size_t index) const {
    const std::string name = files.empty() ? "image" : files[index].stem().string();
    return output / (name + "-" + std::to_string(index) + ".ppm");
}

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--help" || argument == "-h") {
            std::fputs(usage, stdout);
            std::exit(0);
        }
        if (!argument.starts_with("-")) {
            options.files.emplace_back(argument);
        } else if (i + 1 == argc || !take(argument, argv[i + 1], options)) {
            std::fprintf(stderr, "filter-host: wrong option or value: %s\n%s", argv[i], usage);
            return std::nullopt;
        } else {
            ++i;
        }
    }
    if (options.search_path.empty()) {
        const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
        options.search_path = {here, here / "../modules"};
    }
    return options;
}
