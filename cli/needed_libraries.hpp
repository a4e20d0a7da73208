// needed_libraries.hpp: the shared libraries that a file is linked to, found by the rules of the dynamic linker of
// Linux (ld.so(8)), without loading anything.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace interlock::cli {

struct MissingLibrary {
    std::string name;       ///< as the file has it
    std::string needed_by;  ///< the file, or a library on the way to it
};

/// Of one process, as it is before it loads anything more. Not for several threads at once.
class LibrarySearch {
public:
    /// `executable` is the program, and `loaded` the files of libraries that are in it: what has the name of one of
    /// them is there.
    LibrarySearch(const std::filesystem::path& executable, const std::vector<std::string>& loaded);

    /// Those that loading `file` would not find, each once. Nothing for a file of another machine.
    std::vector<MissingLibrary> missing_for(const std::filesystem::path& file);

private:
    using Folders = std::vector<std::filesystem::path>;
    struct Library {
        std::filesystem::path path;
        bool usable = false;  ///< a library for this machine
        std::string name;     ///< its own, DT_SONAME
        std::vector<std::string> needed;
        Folders rpath, runpath;
    };

    const Library* read(const std::filesystem::path& file);
    const Library* find(const std::string& name, const Library& by, const Folders& inherited);
    const Library* find_in(const Folders& folders, const std::string& name);

    std::map<std::string, Library> known_;  // by path; of files that are none, an empty one
    std::set<std::string, std::less<>> loaded_;
    std::map<std::string, std::vector<std::string>, std::less<>> cache_;  // ld.so.cache
    Folders from_program_, from_environment_, default_;
};

/// The files of the libraries in this process.
std::vector<std::string> loaded_libraries();

}  // namespace interlock::cli
