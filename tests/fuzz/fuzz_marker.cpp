// fuzz_marker.cpp: the fuzzing target for all that reads a module file: the input is taken as an image, and as the
// description of a marker. Besides not crashing, an accepted answer must keep the promises of marker.hpp.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <interlock/marker.hpp>

namespace {

/// A broken promise ends the process, as a crash would: the fuzzer keeps the input.
void require(bool kept) {
    if (!kept) std::abort();
}

void check(const interlock::Marker& marker) {
    require(!marker.module.empty() && marker.module.size() <= 1000 && marker.abi > 0);
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    require(marker.module.find_first_not_of(allowed) == std::string::npos);
    require(marker.threading == interlock::level_from_name(marker.threading_text));
}

void check(const interlock::Error& error) {
    using interlock::Errc;
    require(error.code == Errc::malformed_file || error.code == Errc::malformed_marker ||
            error.code == Errc::unsupported);
    require(!error.message.empty() && error.message.size() < 3000);
    require(std::all_of(error.message.begin(), error.message.end(),
                        [](char c) { return static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f; }));
}

bool sorted_and_unique(const std::vector<std::string>& names) {
    return std::adjacent_find(names.begin(), names.end(), std::greater_equal<>()) == names.end();
}

void check(const interlock::ModuleFile& file, std::size_t size) {
    std::uint64_t before = 0;
    for (const auto& marker : file.markers) {
        check(marker);
        require(marker.offset > before && marker.offset < size);
        require(file.marker_for(marker.module) == &marker);
        before = marker.offset;
    }
    require(sorted_and_unique(file.exports) && sorted_and_unique(file.legacy_inits));
    require(sorted_and_unique(file.python_inits));
    require(file.linkage.needed.size() <= 8192);
    for (const auto& name : file.linkage.needed) require(name.size() <= 4096 && name.find('\0') == name.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace interlock;
    const auto full = read_module_image({data, size}, "input", ReadDepth::entry_points);
    full.ok() ? check(*full, size) : check(full.error());
    const auto markers = read_module_image({data, size}, "input", ReadDepth::markers);
    markers.ok() ? check(*markers, size) : check(markers.error());
    if (full.ok()) require(markers.ok() && markers->markers.size() == full->markers.size());

    const auto marker = parse_marker({reinterpret_cast<const char*>(data), size}, "input", 1);
    marker.ok() ? check(*marker) : check(marker.error());
    return 0;
}
