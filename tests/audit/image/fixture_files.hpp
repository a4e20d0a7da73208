// fixture_files.hpp: the compiled fixtures of the audit, as tests of the readers need them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "promises.hpp"

namespace interlock::test {

/// A file in a block of exactly its size, so that AddressSanitizer sees a read beyond it.
inline std::vector<std::uint8_t> file_bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string() + ": build the target audit_fixtures");
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    return {bytes.begin(), bytes.end()};
}

struct Fixture {
    std::filesystem::path path;
    std::string name;    ///< "pe-i386/multi_free.cp313t-win32.pyd"
    std::string target;  ///< "pe-i386"
    std::vector<std::uint8_t> bytes;

    bool is(const char* format) const { return target.starts_with(format); }
};

/// All of them, by name.
inline std::vector<Fixture> all_fixtures() {
    const std::filesystem::path out = AUDIT_FIXTURES_OUT;
    std::vector<Fixture> fixtures;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
        if (!entry.is_regular_file()) continue;
        Fixture fixture;
        fixture.path = entry.path();
        fixture.name = entry.path().lexically_relative(out).generic_string();
        fixture.target = entry.path().parent_path().filename().string();
        fixture.bytes = file_bytes(entry.path());
        fixtures.push_back(std::move(fixture));
    }
    std::ranges::sort(fixtures, {}, &Fixture::name);
    return fixtures;
}

inline std::vector<std::uint8_t> fixture_bytes(const std::string& name) {
    return file_bytes(std::filesystem::path(AUDIT_FIXTURES_OUT) / name);
}

}  // namespace interlock::test
