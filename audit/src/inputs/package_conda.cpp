// package_conda.cpp: packages of conda. A .conda file is a zip file of two archives, pkg-*.tar.zst with the files and
// info-*.tar.zst with what is said of them; older packages are one .tar.bz2.
//
// SPDX-License-Identifier: MIT
#include "inputs/archive_names.hpp"
#include "inputs/package.hpp"

namespace interlock::auditing::inputs {

bool is_part_of_conda(std::string_view archive, std::string_view member) noexcept {
    return ends_with_any_case(archive, ".conda") && member.ends_with(".tar.zst") && member.find('/') == member.npos;
}

std::optional<NameAndVersion> parse_conda_name(std::string_view file_name) {
    std::string_view stem;
    for (const std::string_view ending : {".conda", ".tar.bz2"})
        if (ends_with_any_case(file_name, ending)) stem = file_name.substr(0, file_name.size() - ending.size());
    const std::size_t build = stem.rfind('-');
    if (build == stem.npos || build == 0) return std::nullopt;
    const std::size_t version = stem.rfind('-', build - 1);
    if (version == stem.npos || version == 0 || version + 1 == build) return std::nullopt;
    return NameAndVersion{std::string(stem.substr(0, version)),
                          std::string(stem.substr(version + 1, build - version - 1))};
}

}  // namespace interlock::auditing::inputs
