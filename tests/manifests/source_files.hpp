// source_files.hpp: reading files of the source tree, and a fixed day, so that no test depends on the calendar.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace interlock::test {

inline constexpr std::chrono::year_month_day today{std::chrono::year(2027), std::chrono::month(1),
                                                   std::chrono::day(15)};

inline std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace interlock::test
