// package_names.cpp: what the file names of packages say.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>

#include "base/distribution_name.hpp"
#include "base/python_tag.hpp"
#include "inputs/archive_names.hpp"
#include "inputs/package.hpp"

namespace interlock::auditing::inputs {
namespace {

/// A wheel with more is a joke: the most that was seen is 12.
constexpr std::size_t most_tags = 1000;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::string_view> without_ending(std::string_view name, std::string_view ending) {
    if (!ends_with_any_case(name, ending)) return std::nullopt;
    return name.substr(0, name.size() - ending.size());
}

/// One spelling for each version, as far as it matters here: separators, case, "v" in front, zeros behind.
std::string plain_version(std::string_view version) {
    if (!version.empty() && lower(version[0]) == 'v') version.remove_prefix(1);
    std::string plain;
    for (const char c : version) plain += c == '-' || c == '_' || c == '+' ? '.' : lower(c);
    while (plain.size() > 2 && plain.ends_with(".0")) plain.resize(plain.size() - 2);
    return plain;
}

}  // namespace

std::vector<std::string> expand_tags(std::string_view set) {
    std::vector<std::string> tags;
    const auto parts = base::split(set, '-');
    if (parts.size() != 3) return tags;
    const auto pythons = base::split(parts[0], '.'), abis = base::split(parts[1], '.'),
               platforms = base::split(parts[2], '.');
    if (pythons.size() * abis.size() * platforms.size() > most_tags) return tags;
    for (const auto python : pythons)
        for (const auto abi : abis)
            for (const auto platform : platforms)
                tags.push_back(std::string(python) + '-' + std::string(abi) + '-' + std::string(platform));
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    return tags;
}

std::optional<WheelName> parse_wheel_name(std::string_view file_name) {
    const auto stem = without_ending(file_name, ".whl");
    if (!stem) return std::nullopt;
    const auto parts = base::split(*stem, '-');
    if (parts.size() != 5 && parts.size() != 6) return std::nullopt;
    if (std::any_of(parts.begin(), parts.end(), [](std::string_view part) { return part.empty(); }))
        return std::nullopt;
    if (parts.size() == 6 && !digit(parts[2][0])) return std::nullopt;
    WheelName wheel;
    wheel.name = parts[0];
    wheel.version = parts[1];
    if (parts.size() == 6) wheel.build = parts[2];
    wheel.tags = expand_tags(stem->substr(static_cast<std::size_t>(parts[parts.size() - 3].data() - stem->data())));
    if (wheel.tags.empty()) return std::nullopt;
    return wheel;
}

std::optional<NameAndVersion> parse_deb_name(std::string_view file_name) {
    const auto stem = without_ending(file_name, ".deb");
    if (!stem) return std::nullopt;
    const auto parts = base::split(*stem, '_');
    if (parts.size() != 3 || parts[0].empty() || parts[1].empty()) return std::nullopt;
    std::string version;
    for (std::size_t i = 0; i < parts[1].size(); ++i) {
        // apt writes the colon of an epoch so.
        const bool colon = parts[1].substr(i, 3) == "%3a";
        version += colon ? ':' : parts[1][i];
        if (colon) i += 2;
    }
    return NameAndVersion{std::string(parts[0]), version};
}

bool same_distribution(std::string_view a, std::string_view b) {
    return base::normalized_distribution_name(a) == base::normalized_distribution_name(b);
}

bool same_version(std::string_view a, std::string_view b) { return plain_version(a) == plain_version(b); }

PackageAudit package_of_archive(const std::string& path) {
    PackageAudit package;
    package.path = path;
    const std::size_t member = path.rfind('!');
    const std::string_view name = file_name(member == path.npos ? path : std::string_view(path).substr(member + 1));
    package.name = name;
    package.kind = ends_with_any_case(name, ".whl") ? "wheel" : "archive";
    if (auto wheel = parse_wheel_name(name)) {
        package.name = std::move(wheel->name);
        package.version = std::move(wheel->version);
        package.wheel_tags = std::move(wheel->tags);
    } else if (ends_with_any_case(name, ".conda")) {
        if (const auto conda = parse_conda_name(name)) {
            package.name = conda->name;
            package.version = conda->version;
        }
    } else if (const auto deb = parse_deb_name(name)) {
        package.name = deb->name;
        package.version = deb->version;
    }
    return package;
}

}  // namespace interlock::auditing::inputs
