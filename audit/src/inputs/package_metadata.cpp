// package_metadata.cpp: what the metadata inside of packages says.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include <interlock/escape.hpp>

#include "base/distribution_name.hpp"
#include "inputs/archive_names.hpp"
#include "inputs/package.hpp"

namespace interlock::auditing::inputs {
namespace {

constexpr std::size_t most_tags = 10'000;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

/// Takes the first line off `text`.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

std::string first_value(std::string_view text, std::string_view key) {
    auto values = header_values(text, key);
    return values.empty() ? std::string() : std::move(values.front());
}

constexpr std::size_t longest_tag = 1000;

void apply_wheel_tags(PackageAudit& package, std::string_view text) {
    std::vector<std::string> tags;
    // Some build tools write sets of tags here as well.
    for (const std::string& value : header_values(text, "Tag")) {
        auto expanded = expand_tags(value);
        if (expanded.empty() && value.size() < longest_tag) expanded.push_back(value);
        tags.insert(tags.end(), expanded.begin(), expanded.end());
        if (tags.size() > most_tags) return;
    }
    if (tags.empty()) return;
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    if (package.wheel_tags.empty()) {
        // Not named like a wheel: this is all there is to know.
        package.wheel_tags = std::move(tags);
    } else if (tags != package.wheel_tags) {
        package.metadata_tags = std::move(tags);
    }
}

void apply_wheel_metadata(PackageAudit& package, std::string_view text) {
    const std::string name = first_value(text, "Name"), version = first_value(text, "Version");
    const bool named = !package.version.empty();  // the file name could be parsed
    if (!name.empty()) {
        if (named && !same_distribution(name, package.name))
            package.notes.push_back("the file is named " + quoted(package.name) + ", its METADATA says " +
                                    quoted(name) + ": an installer refuses it");
        package.name = name;
    }
    if (!version.empty()) {
        if (named && !same_version(version, package.version))
            package.notes.push_back("the file is named as version " + quoted(package.version) + ", its METADATA says " +
                                    quoted(version) + ": an installer refuses it");
        package.version = version;
    }
}

void apply_conda_index(PackageAudit& package, std::string_view text) {
    // The parser is not recursive; what it makes of a megabyte of brackets is large all the same.
    if (std::count(text.begin(), text.end(), '[') + std::count(text.begin(), text.end(), '{') > 10'000) return;
    const auto index = nlohmann::json::parse(text, nullptr, false);
    if (!index.is_object()) return;
    const auto take = [&](const char* key, std::string& target) {
        const auto found = index.find(key);
        if (found != index.end() && found->is_string()) target = found->get<std::string>();
    };
    take("name", package.name);
    take("version", package.version);
}

}  // namespace

std::vector<std::string> header_values(std::string_view text, std::string_view key) {
    std::vector<std::string> values;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        if (trimmed(line).empty()) break;
        const std::size_t colon = line.find(':');
        if (colon != key.size()) continue;
        const bool same =
            std::equal(key.begin(), key.end(), line.begin(), [](char a, char b) { return lower(a) == lower(b); });
        if (same) values.emplace_back(trimmed(line.substr(colon + 1)));
    }
    return values;
}

MetadataKind metadata_kind(std::string_view member, const PackageAudit& package, bool in_deb_control) {
    if (in_deb_control) return member == "control" ? MetadataKind::deb_control : MetadataKind::none;
    if (member == "info/index.json" && package.kind == "archive") return MetadataKind::conda_index;
    if (package.kind != "wheel") return MetadataKind::none;
    const std::size_t slash = member.find('/');
    if (slash == member.npos || !member.substr(0, slash).ends_with(".dist-info")) return MetadataKind::none;
    const std::string_view name = member.substr(slash + 1);
    if (name == "WHEEL") return MetadataKind::wheel_tags;
    if (name == "METADATA") return MetadataKind::wheel_metadata;
    return MetadataKind::none;
}

void apply_metadata(PackageAudit& package, MetadataKind kind, std::string_view text) {
    switch (kind) {
        case MetadataKind::none:
            return;
        case MetadataKind::wheel_tags:
            return apply_wheel_tags(package, text);
        case MetadataKind::wheel_metadata:
            return apply_wheel_metadata(package, text);
        case MetadataKind::conda_index:
            return apply_conda_index(package, text);
        case MetadataKind::deb_control: {
            const std::string name = first_value(text, "Package"), version = first_value(text, "Version");
            if (!name.empty()) package.name = name;
            if (!version.empty()) package.version = version;
            return;
        }
    }
}

std::vector<std::string> record_paths(std::string_view text) {
    std::vector<std::string> paths;
    while (!text.empty()) {
        std::string_view line = trimmed(take_line(text));
        std::string path;
        if (line.starts_with('"')) {
            // CSV: a quote within quotes is doubled.
            for (std::size_t i = 1; i < line.size(); ++i) {
                if (line[i] == '"' && (i + 1 == line.size() || line[++i] != '"')) break;
                path += line[i];
            }
        } else {
            path = line.substr(0, line.find(','));
        }
        if (!path.empty()) paths.push_back(std::move(path));
    }
    return paths;
}

InstalledDistributions::InstalledDistributions(const std::vector<std::string>& infos, const Read& read) {
    constexpr std::string_view ending = ".dist-info";
    for (const std::string& info : infos) {
        const std::string_view stem = std::string_view(info).substr(0, info.size() - ending.size());
        const std::size_t dash = stem.find('-');
        Distribution distribution{std::string(stem.substr(0, dash)),
                                  dash == stem.npos ? "" : std::string(stem.substr(dash + 1)), info};
        if (const auto metadata = read(info + "/METADATA")) {
            const std::string name = first_value(*metadata, "Name"), version = first_value(*metadata, "Version");
            if (!name.empty()) distribution.name = name;
            if (!version.empty()) distribution.version = version;
        }
        const std::size_t index = distributions_.size();
        if (const auto record = read(info + "/RECORD")) {
            for (const std::string& path : record_paths(*record)) {
                if (!is_library_name(path)) continue;
                // Compared with paths below the folder: "../../lib/x.so" never is one.
                by_file_.try_emplace(std::filesystem::path(path).lexically_normal().generic_string(), index);
            }
        }
        if (const auto top_levels = read(info + "/top_level.txt")) {
            std::string_view rest = *top_levels;
            while (!rest.empty()) {
                const std::string_view line = trimmed(take_line(rest));
                if (!line.empty()) by_top_level_.try_emplace(std::string(line), index);
            }
        }
        std::string folder = base::normalized_distribution_name(distribution.name);
        std::replace(folder.begin(), folder.end(), '-', '_');
        by_top_level_.try_emplace(std::move(folder), index);
        distributions_.push_back(std::move(distribution));
    }
}

const InstalledDistributions::Distribution* InstalledDistributions::find(const std::string& relative) const {
    if (const auto file = by_file_.find(relative); file != by_file_.end()) return &distributions_[file->second];
    // A single module at the top: "_yaml.cpython-313t.so" has the top level "_yaml".
    const std::string_view top = std::string_view(relative).substr(0, relative.find_first_of("/."));
    const auto owner = by_top_level_.find(top);
    return owner == by_top_level_.end() ? nullptr : &distributions_[owner->second];
}

}  // namespace interlock::auditing::inputs
