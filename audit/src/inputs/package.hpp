// package.hpp: to which package a file belongs: what file names and metadata of wheels, distributions, conda and Debian
// packages say. Text from files is taken as it comes, and is escaped by whoever prints it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::auditing::inputs {

/// The file name of a wheel (PEP 427): name-version[-build]-python-abi-platform.whl
struct WheelName {
    std::string name, version, build;
    std::vector<std::string> tags;  ///< expanded: "cp313-cp313t-manylinux_2_17_x86_64"; sorted
};
/// "cp315-abi3.abi3t-linux_x86_64" is two tags; sorted. Empty for what is no tag, and for far too many.
std::vector<std::string> expand_tags(std::string_view set);
std::optional<WheelName> parse_wheel_name(std::string_view file_name);

/// "numpy-2.1.0-py313h1234_0.conda" and ".tar.bz2": name, version, build.
struct NameAndVersion {
    std::string name, version;
};
std::optional<NameAndVersion> parse_conda_name(std::string_view file_name);
/// Whether a member of a .conda file is one of the archives of which it is made.
bool is_part_of_conda(std::string_view archive, std::string_view member) noexcept;
/// "python3-numpy_1%3a1.24.2-1_amd64.deb"
std::optional<NameAndVersion> parse_deb_name(std::string_view file_name);

/// Values of "Key: value" lines up to the first empty line: METADATA, WHEEL, control. Keys in any case.
std::vector<std::string> header_values(std::string_view text, std::string_view key);

/// Whether two names of a distribution are the same to an installer: a run of "-", "_" and "." is one "-".
bool same_distribution(std::string_view a, std::string_view b);
/// Whether two versions are the same but for their spelling: "1.0" and "1.0.0", "1.0+cu12" and "1.0_cu12".
bool same_version(std::string_view a, std::string_view b);

/// What the file itself is, going by its name: kind wheel or archive.
PackageAudit package_of_archive(const std::string& path);

/// Where the metadata of a package is in an archive, and what is taken from it.
enum class MetadataKind : std::uint8_t { none, wheel_tags, wheel_metadata, conda_index, deb_control };
/// `in_deb_control`: the archive is the control.tar of a .deb.
MetadataKind metadata_kind(std::string_view member, const PackageAudit& package, bool in_deb_control);
/// Takes over name and version; where they contradict the file name of a wheel, as an installer would see it, adds a
/// note. What cannot be parsed is left alone.
void apply_metadata(PackageAudit& package, MetadataKind kind, std::string_view text);

/// The distributions that are installed in one folder (site-packages), and what belongs to which.
class InstalledDistributions {
public:
    /// `files`: the names of the folders *.dist-info in it, in order. `read` gives the text of a file below it;
    /// nullopt if there is none.
    using Read = std::function<std::optional<std::string>(const std::string& relative)>;
    InstalledDistributions(const std::vector<std::string>& infos, const Read& read);

    struct Distribution {
        std::string name, version;
        std::string info;  ///< the name of its folder *.dist-info
    };
    /// By RECORD; else by the first folder of `relative`, when a distribution calls it its own.
    const Distribution* find(const std::string& relative) const;

private:
    std::vector<Distribution> distributions_;
    std::map<std::string, std::size_t, std::less<>> by_file_, by_top_level_;
};

/// The first column of the lines of a RECORD file.
std::vector<std::string> record_paths(std::string_view text);

}  // namespace interlock::auditing::inputs
