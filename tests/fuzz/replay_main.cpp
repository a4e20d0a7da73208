// replay_main.cpp: runs a fuzzing target over files and directories, without a fuzzer: so that what was found once is
// tested for good, with every compiler. Usage: replay MINIMUM PATH...; fails if there are fewer than MINIMUM inputs.
//
// SPDX-License-Identifier: MIT
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void replay(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    // A block of exactly this size, so that AddressSanitizer sees a read beyond it.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    std::printf("%s: %zu bytes\n", path.c_str(), input.size());
    std::fflush(stdout);  // the last line before a crash names the input
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s MINIMUM PATH...\n", argv[0]);
        return 2;
    }
    unsigned long count = 0;
    for (int i = 2; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) {
            replay(argv[i]);
            ++count;
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) continue;
            replay(entry.path());
            ++count;
        }
    }
    const auto minimum = std::strtoul(argv[1], nullptr, 10);
    if (count < minimum) {
        std::fprintf(stderr, "%lu inputs, expected at least %lu: is the corpus complete?\n", count, minimum);
        return 1;
    }
    return 0;
}
