// module_files.cpp: finds modules below a folder (module_files.hpp).
//
// SPDX-License-Identifier: MIT
#include "module_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <interlock/escape.hpp>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

std::string dotted_name(const fs::path& relative) {
    fs::path path = relative;
    path.replace_extension();
    if (path.filename() == "__init__") path = path.parent_path();
    std::string name;
    for (const fs::path& part : path) name += (name.empty() ? "" : ".") + part.string();
    return name;
}

void scan(const fs::path& root, const fs::path& folder, FolderScan& found) {
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        std::error_code ignored;
        if (entry->symlink_status(ignored).type() == fs::file_type::directory) {
            scan(root, entry->path(), found);
            continue;
        }
        if (entry->path().extension() != ".so") continue;
        Result<ModuleFile> file = read_module_file(entry->path());
        if (file && is_module(*file))
            found.modules.push_back({dotted_name(entry->path().lexically_relative(root)), std::move(*file)});
        // Much that is called .so is none: linker scripts, libraries of other systems.
        else if (!file && file.error().code != Errc::malformed_file)
            found.unreadable.push_back(file.error());
    }
    if (error)
        found.unreadable.push_back(
            {Errc::unreadable, fmt::format("cannot read the folder {}: {}", quoted(folder.string()), error.message())});
}

}  // namespace

bool is_module(const ModuleFile& file) noexcept {
    return !file.markers.empty() || !file.exports.empty() || !file.legacy_inits.empty();
}

FolderScan scan_folder(const fs::path& folder) {
    FolderScan found;
    std::error_code error;
    const fs::path root = fs::absolute(folder, error).lexically_normal();
    if (!error) const fs::directory_iterator readable(root, error);
    if (error)
        throw CommandError(exit_unreadable,
                           fmt::format("cannot read the folder {}: {}", quoted(folder.string()), error.message()));
    scan(root, root, found);
    std::sort(found.modules.begin(), found.modules.end(),
              [](const FoundModule& a, const FoundModule& b) { return a.name < b.name; });
    return found;
}

}  // namespace interlock::cli
