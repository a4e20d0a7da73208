// From a dotted name to a file: "a.b.c" is a/b/c/__init__.so or a/b/c.so below one of the folders of the search path.
//
// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "loader_state.hpp"

namespace interlock::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t max_name = 1000, max_component = 200;  // CPython cuts the symbol's name at 200 bytes, too

bool is_word(char c, bool first) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

std::string relative_path(std::string_view name) {
    std::string path(name);
    std::replace(path.begin(), path.end(), '.', '/');
    return path;
}

// Only "is there anything": a reader says what is wrong with it. With the system's call, as it is on each import's way.
bool is_there(const std::string& path) noexcept {
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

// What a name stands for in one folder: a package, else a single file.
struct Places {
    std::string package, file;

    Places(const fs::path& folder, const std::string& relative) {
        std::string base = folder.native();
        if (!base.empty() && base.back() != '/') base += '/';
        base += relative;
        package = base + "/__init__.so";
        file = std::move(base) + ".so";
    }
};

struct Close {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

std::vector<std::string> modules_in(const fs::path& folder) {
    // Not by a directory_iterator: the one of libstdc++ ends the program when there is no memory.
    const std::unique_ptr<DIR, Close> open(::opendir(folder.c_str()));
    std::vector<std::string> names;
    while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
        const std::string_view name(entry->d_name);
        if (name.size() > 3 && name.ends_with(".so")) names.emplace_back(name.substr(0, name.size() - 3));
        if (names.size() == 1000) break;
    }
    return names;
}

}  // namespace

Outcome check_name(std::string_view name) {
    const auto wrong = [&](std::string why) {
        return Error{Errc::invalid_name, quoted(name, 80) + " is not a module name: " + std::move(why)};
    };
    if (name.empty()) return wrong("it is empty");
    if (name.size() > max_name) return wrong("it is longer than 1000 bytes");
    std::size_t length = 0;
    for (std::size_t i = 0; i <= name.size(); ++i) {
        if (i == name.size() || name[i] == '.') {
            if (length == 0) return wrong("a component between the dots is empty");
            if (length > max_component) return wrong("a component is longer than 200 bytes");
            length = 0;
        } else if (!is_word(name[i], length == 0)) {
            return wrong(
                "components consist of letters, digits and _, and do not begin with a digit; give the name, "
                "not the path, and the folder with --path or INTERLOCK_PATH");
        } else {
            ++length;
        }
    }
    return Ok{};
}

std::string_view last_component(std::string_view name) noexcept {
    const std::size_t dot = name.rfind('.');
    return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string_view parent_of(std::string_view name) noexcept {
    const std::size_t dot = name.rfind('.');
    return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

std::optional<fs::path> LoaderState::file_of(std::string_view name) const {
    const std::string relative = relative_path(name);
    for (const fs::path& folder : search_path) {
        Places places(folder, relative);
        if (is_there(places.package)) return fs::path(std::move(places.package));
        if (is_there(places.file)) return fs::path(std::move(places.file));
    }
    return std::nullopt;
}

Result<fs::path> LoaderState::locate(std::string_view name) const {
    if (std::optional<fs::path> file = file_of(name)) return std::move(*file);
    return nothing_named(name);
}

Result<ModuleFile> read_module(const fs::path& path) {
    Result<ModuleFile> file = read_module_file(path, ReadDepth::entry_points);
    // Tables that are larger than the reader takes: whether there is an entry point is seen when the file is mapped.
    if (!file && file.error().code == Errc::unsupported) return read_module_file(path, ReadDepth::markers);
    return file;
}

Result<ModuleFile> LoaderState::find(std::string_view name) const {
    const std::string relative = relative_path(name);
    for (const fs::path& folder : search_path) {
        Places places(folder, relative);
        if (is_there(places.package)) return read_module(std::move(places.package));
        // To open it is the question whether it is there.
        Result<ModuleFile> file = read_module(std::move(places.file));
        if (file || file.error().code != Errc::not_found) return file;
    }
    return nothing_named(name);
}

Error LoaderState::nothing_named(std::string_view name) const {
    const fs::path relative = relative_path(name);
    std::string message = "no module named " + quoted(name);
    std::string searched;
    std::vector<std::string> candidates;
    for (const fs::path& folder : search_path) {
        searched += (searched.empty() ? "" : ", ") + quoted(folder.string());
        for (std::string& candidate : modules_in(folder / relative.parent_path()))
            candidates.push_back(std::move(candidate));
    }
    message += searched.empty() ? "; the search path is empty: give folders with --path or INTERLOCK_PATH"
                                : "; searched " + searched;
    const std::vector<std::string_view> known(candidates.begin(), candidates.end());
    if (const auto close = nearest_word(last_component(name), known))
        message += "; did you mean " + quoted(*close) + "?";
    return {Errc::not_found, std::move(message)};
}

bool LoaderState::is_namespace(std::string_view name) const {
    if (file_of(name)) return false;
    const std::string relative = relative_path(name);
    for (const fs::path& folder : search_path) {
        std::error_code error;
        if (fs::is_directory(folder / relative, error)) return true;
    }
    return false;
}

}  // namespace interlock::detail
