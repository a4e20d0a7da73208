// interlock/digest.hpp: SHA-256 (FIPS 180-4) of files and memory, the identity by which manifests and policies pin a
// binary. Our own, as libinterlock links nothing beyond oneTBB.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <interlock/export.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// 64 lower-case hex digits. [any-thread]
IL_API std::string sha256_hex(std::span<const std::uint8_t> data);
/// The same of a regular file, read in pieces. Errors: not_found, unreadable, io_error. [any-thread]
IL_API Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace interlock
