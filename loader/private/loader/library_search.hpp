// library_search.hpp: the shared libraries that a file is linked to, found by the rules of the dynamic linker of
// Linux (ld.so(8)), without loading anything.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <interlock/library.hpp>
#include <interlock/marker.hpp>

namespace interlock::detail {

/// A library as it was when it was read.
struct LibraryFile {
    ModuleFile file;
    std::optional<Error> error;  ///< it is one for this machine, but cannot be read
};
using LibraryRef = std::shared_ptr<const LibraryFile>;

/// Files are read once for as long as they are what they were. Not for several threads at once.
class LibraryFiles {
public:
    /// Null if there is no library for this machine.
    LibraryRef read(const std::filesystem::path& file);

private:
    struct Entry {
        FileIdentity identity;
        LibraryRef library;
    };
    std::unordered_map<std::string, Entry> known_;
};

/// A library that is in the process.
struct LibraryInProcess {
    std::string_view path;
    std::string_view soname;
};
/// Its file; null if that is not there any more, or another one.
using FileInProcess = std::function<LibraryRef(std::size_t place)>;

/// What a file is linked to, or what it is linked to is, and so on.
struct FoundLibrary {
    std::string name;       ///< as the one that needs it has it
    std::string needed_by;  ///< that file
    LibraryOrigin origin = LibraryOrigin::not_found;
    LibraryRef library;      ///< null if it is not found
    std::size_t in_process;  ///< if it is `loaded`: its place in the list
};

/// By the rules for one process. Not for several threads at once.
class LibrarySearch {
public:
    /// `executable` is the program, `library_path` its LD_LIBRARY_PATH.
    LibrarySearch(const std::filesystem::path& executable, std::string library_path);

    /// All libraries that loading `file` brings along, each once, in the order of the linker. `there` are those in the
    /// process: what has the name of one of them is there. Error: unsupported, where a file asks for more than any
    /// does.
    Result<std::vector<FoundLibrary>> libraries_of(const ModuleFile& file, std::span<const LibraryInProcess> there,
                                                   const FileInProcess& file_there);

    LibraryFiles& files() noexcept { return files_; }

private:
    using Folders = std::vector<std::filesystem::path>;
    struct Step;
    struct Match {
        LibraryRef library;
        LibraryOrigin origin = LibraryOrigin::not_found;
    };
    struct Cached {
        std::string file;
        std::size_t level;  // in glibc-hwcaps; the number of levels for none
    };

    Match find(const std::string& name, const ModuleFile& by, const Folders& inherited);
    LibraryRef find_in(const Folders& folders, const std::string& name);
    LibraryRef look(const std::filesystem::path& file);
    void learn();
    void read_cache(const std::filesystem::path& file);

    const std::filesystem::path executable_;
    const std::string library_path_;
    LibraryFiles files_;
    // What follows is only known when something is looked for that is not in the process: most modules need nothing
    // else.
    bool learned_ = false;
    std::map<std::string, std::vector<Cached>, std::less<>> cache_;  // ld.so.cache
    Folders from_program_, from_environment_, default_;
    std::vector<std::string> levels_;  // folders in glibc-hwcaps for this processor, the best one first
    std::set<std::string> absent_;     // folders, during one search
    std::size_t looks_ = 0;            // in one search
};

struct MissingLibrary {
    std::string name;       ///< as the file has it
    std::string needed_by;  ///< the file, or a library on the way to it
};
/// Those that loading `file` would not find, in a process that has the libraries of these files. Nothing for a file of
/// another machine.
std::vector<MissingLibrary> missing_libraries(LibrarySearch& search, const std::filesystem::path& file,
                                              std::span<const std::string> loaded);

/// LD_LIBRARY_PATH of this process as the dynamic linker knows it: as it was in the beginning.
std::string initial_library_path();

}  // namespace interlock::detail
