// input_file.hpp: reading a regular file, without being held up by a FIFO or device in its place.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <interlock/result.hpp>

#include "base/descriptor.hpp"

namespace interlock::base {

/// An open regular file; closes it. One thread at a time.
class InputFile {
public:
    /// Errors: not_found, unreadable.
    static Result<InputFile> open(const std::filesystem::path& path);

    /// Fills `piece` from the start as far as the file reaches; 0 at its end. Error: io_error.
    Result<std::size_t> read(std::span<std::uint8_t> piece);

private:
    InputFile(Descriptor descriptor, std::filesystem::path path)
        : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
    Descriptor descriptor_;
    std::filesystem::path path_;
};

/// The content of a file, cut off behind `limit` + 1 bytes, so that the reader can tell that there is too much.
/// Errors: not_found, unreadable (also for an I/O error).
Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace interlock::base
