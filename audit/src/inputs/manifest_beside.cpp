// manifest_beside.cpp: reads it, up to 1 MiB. None there is an empty text; what is in it is for others to say.
//
// SPDX-License-Identifier: MIT
#include "inputs/manifest_beside.hpp"

#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "inputs/inputs_content.hpp"

namespace interlock::auditing::inputs {

namespace {
constexpr std::uint64_t manifest_limit = 1u << 20;
}

Result<std::string> manifest_beside(const std::filesystem::path& binary) {
    const std::filesystem::path path = manifest_path(binary);
    auto file = open_regular(path);
    if (!file) {
        if (file.error().code == Errc::not_found) return std::string();
        return std::move(file).error();
    }
    if (file->size > manifest_limit)
        return {Errc::invalid_manifest,
                "the manifest " + quoted(path.native(), 4096) + " is not read: it is larger than 1 MiB"};
    std::string text(file->size, '\0');
    FileStream stream(file->descriptor.get(), 0, file->size, path.native());
    try {
        text.resize(stream.fill({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
    } catch (const Failure& failure) {
        return failure.error();
    }
    return text;
}

}  // namespace interlock::auditing::inputs
