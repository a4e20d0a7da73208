// fuzz_image.cpp: the fuzzing target for the readers of ELF, PE and Mach-O: besides not crashing, an image must keep
// its promises, and an error must say what is wrong.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "audit/image/promises.hpp"

namespace {

/// A broken promise ends the process, as a crash would: the fuzzer keeps the input.
void require(bool kept, const std::string& what) {
    if (kept) return;
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace interlock;
    const auditing::image::Bytes file(data, size);
    const auto images = auditing::image::read_images(file, "input");
    if (!images.ok()) {
        const Error& error = images.error();
        require(error.code == Errc::malformed_file || error.code == Errc::unsupported || error.code == Errc::unreadable,
                "wrong code");
        require(error.message.size() < 3000 &&
                    std::ranges::all_of(error.message,
                                        [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; }),
                "unclean message");
        return 0;
    }
    for (const auto& image : *images) {
        const auto broken = test::broken_promise(image, file);
        require(broken.empty(), broken);
    }
    return 0;
}
