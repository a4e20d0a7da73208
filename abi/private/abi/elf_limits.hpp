// elf_limits.hpp: what the readers of ELF files take, whatever a file claims. Who imports and who audits have the same
// limits, or a file could be judged by one of them and not by the other. Real files stay far below.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace interlock::elf_limits {

/// Libraries have about ten.
inline constexpr std::uint64_t program_headers = 1024;
/// A handful of notes of some dozen bytes is usual; markers have room for long JSON.
inline constexpr std::uint64_t note_segment = 1U << 20;
inline constexpr std::size_t notes = 4096;
/// A SHA-1 has 20 bytes; some write longer hashes, and no library more than 64.
inline constexpr std::size_t build_id = 64;
/// 4096 entries. Most are names of libraries that are needed; programs with hundreds of them exist.
inline constexpr std::uint64_t dynamic_section = 64U << 10;
/// Of names of libraries and lists of folders: a path has at most 4096 bytes, and a list of folders seldom as many.
inline constexpr std::uint64_t text = 4096;
/// libclang-cpp has about 30 000, and libraries that export all of a large program in C++ some hundred thousand.
inline constexpr std::uint64_t symbols = 1U << 20;

// What is fetched from a file to find its entry points. Who has all of the file in memory anyway does not need it.
inline constexpr std::uint64_t string_table = 6U << 20;
inline constexpr std::size_t entry_points = 4096, entry_point_name = 1000;

}  // namespace interlock::elf_limits
