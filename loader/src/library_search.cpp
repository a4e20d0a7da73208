// library_search.cpp: in the linker's order: DT_RPATH of all who pull it in, LD_LIBRARY_PATH, DT_RUNPATH,
// /etc/ld.so.cache, the default folders; with glibc-hwcaps for this processor. Files are known by identity, so none is
// read twice.
//
// SPDX-License-Identifier: MIT
#include "loader/library_search.hpp"

#include <dirent.h>
#include <elf.h>
#include <sys/auxv.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <system_error>
#include <utility>

#include <interlock/escape.hpp>

#include "abi/elf_view.hpp"
#include "base/regular_file.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t most_libraries = 4096;    // that are looked at for one file
constexpr std::size_t most_looks = 100'000;     // at places where one could be
constexpr std::size_t most_known_files = 4096;  // that are kept in mind
constexpr std::uint64_t largest_cache = 64u << 20;

/// With all of `variables` replaced; what is put in is not looked at again.
std::string expanded(std::string_view text, std::initializer_list<std::string_view> variables, std::string_view value) {
    std::string out;
    while (!text.empty()) {
        const auto found = std::find_if(variables.begin(), variables.end(),
                                        [&](std::string_view variable) { return text.starts_with(variable); });
        if (found != variables.end()) out += value;
        const std::size_t size = found == variables.end() ? 1 : found->size();
        if (found == variables.end()) out += text.front();
        text.remove_prefix(size);
    }
    return out;
}

struct Close {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

std::string platform() {
    const auto* name = reinterpret_cast<const char*>(::getauxval(AT_PLATFORM));
    return name == nullptr ? std::string() : name;
}

/// What is behind "$ORIGIN/../lib:/opt/$LIB", for a file in `origin`.
std::vector<fs::path> folders_of(std::string_view list, const fs::path& origin) {
    std::vector<fs::path> folders;
    if (list.empty()) return folders;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(':', begin), list.size());
        std::string folder(list.substr(begin, end - begin));
        begin = end + 1;
        if (folder.find('$') != folder.npos) {
            folder = expanded(folder, {"${ORIGIN}", "$ORIGIN"}, origin.native());
            folder = expanded(folder, {"${PLATFORM}", "$PLATFORM"}, platform());
        }
        if (folder.empty()) folder = ".";
        // Each system has one of these.
        const std::string name = expanded(folder, {"${LIB}", "$LIB"}, "lib");
        folders.emplace_back(name);
        if (name == folder) continue;
        folders.emplace_back(expanded(folder, {"${LIB}", "$LIB"}, "lib64"));
#if defined(__x86_64__) && defined(__LP64__)
        folders.emplace_back(expanded(folder, {"${LIB}", "$LIB"}, "lib/x86_64-linux-gnu"));
#elif defined(__aarch64__)
        folders.emplace_back(expanded(folder, {"${LIB}", "$LIB"}, "lib/aarch64-linux-gnu"));
#endif
    }
    return folders;
}

/// Variants of libraries for newer processors, as the linker prefers them.
std::vector<std::string> levels_of_this_processor() {
    std::vector<std::string> levels;
#if defined(__x86_64__)
    const bool v2 = __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("popcnt") != 0;
    const bool v3 = v2 && __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
                    __builtin_cpu_supports("fma") != 0;
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                    __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                    __builtin_cpu_supports("avx512vl") != 0;
    if (v4) levels.emplace_back("x86-64-v4");
    if (v3) levels.emplace_back("x86-64-v3");
    if (v2) levels.emplace_back("x86-64-v2");
#else
    levels = {"power10", "power9", "z16", "z15", "z14"};
#endif
    return levels;
}

/// Of a file that the reader does not take: whether the dynamic linker would go on to the next place.
bool is_native_library(const fs::path& file) {
    const Result<base::RegularFile> open = base::RegularFile::open(file);
    if (!open) return false;
    try {
        const ByteSource source(*open, file.native());
        return ElfView(source).native();
    } catch (const Failure&) {
        return false;
    }
}

std::string_view file_name(std::string_view path) noexcept { return path.substr(path.rfind('/') + 1); }

}  // namespace

LibraryRef LibraryFiles::read(const fs::path& file) {
    const Result<FileIdentity> identity = file_identity(file);
    if (!identity) return nullptr;
    if (const auto entry = known_.find(file.native()); entry != known_.end() && entry->second.identity == *identity)
        return entry->second.library;
    LibraryRef library;
    if (Result<ModuleFile> read = read_module(file); read && read->native) {
        library = std::make_shared<LibraryFile>(std::move(*read), std::nullopt);
    } else if (!read && read.error().code != Errc::not_found && is_native_library(file)) {
        auto broken = std::make_shared<LibraryFile>();
        broken->file.path = file;
        broken->file.identity = *identity;
        broken->error = read.error();
        library = std::move(broken);
    }
    // What changes all the time must not pile up.
    if (known_.size() >= most_known_files) known_.clear();
    known_.insert_or_assign(file.native(), Entry{library ? library->file.identity : *identity, library});
    return library;
}

LibrarySearch::LibrarySearch(const fs::path& executable, std::string library_path)
    : executable_(executable), library_path_(std::move(library_path)) {}

void LibrarySearch::learn() {
    if (learned_) return;
    levels_ = levels_of_this_processor();
    read_cache("/etc/ld.so.cache");
    const fs::path origin = executable_.parent_path();
    if (const LibraryRef program = files_.read(executable_))
        if (const Linkage& linkage = program->file.linkage; linkage.runpath.empty())
            from_program_ = folders_of(linkage.rpath, origin);
    std::string list = library_path_;
    std::replace(list.begin(), list.end(), ';', ':');
    from_environment_ = folders_of(list, origin);
    default_ = {"/lib", "/usr/lib", "/lib64", "/usr/lib64"};
    if (cache_.empty()) default_.emplace_back("/usr/local/lib");  // musl has no cache
    // Debian's linker looks there first. Not by a directory_iterator: the one of libstdc++ ends the program when there
    // is no memory.
    const std::unique_ptr<DIR, Close> libraries(::opendir("/usr/lib"));
    while (const dirent* entry = libraries ? ::readdir(libraries.get()) : nullptr)
        if (const std::string_view name = entry->d_name; name.find("-linux-") != name.npos)
            default_.insert(default_.begin(), fs::path("/usr/lib") / name);
    learned_ = true;
}

/// What `ldconfig` wrote; the format is in glibc's dl-cache.h.
void LibrarySearch::read_cache(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string bytes;
    in.seekg(0, std::ios::end);
    const auto size = in.tellg();
    if (!in || size <= 0 || static_cast<std::uint64_t>(size) > largest_cache) return;
    bytes.resize(static_cast<std::size_t>(size));
    in.seekg(0);
    if (!in.read(bytes.data(), size)) return;
    const std::size_t start = bytes.find("glibc-ld.so.cache1.1");  // older caches have another one before it
    constexpr std::size_t header = 48, entry = 24;
    if (start == bytes.npos || bytes.size() - start < header) return;
    const auto number = [&](std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        return value;
    };
    const auto text = [&](std::uint32_t offset) -> std::string_view {
        if (offset >= bytes.size() - start) return {};
        const char* first = bytes.data() + start + offset;
        return {first, strnlen(first, bytes.size() - start - offset)};
    };
    const std::uint64_t count = number(start + 20);
    if (count > (bytes.size() - start - header) / entry) return;
    for (std::size_t at = start + header, i = 0; i < count; ++i, at += entry) {
        const std::string path(text(number(at + 8)));
        std::size_t level = levels_.size();
        if (constexpr std::string_view variants = "/glibc-hwcaps/"; path.find(variants) != path.npos) {
            const std::string_view rest = std::string_view(path).substr(path.find(variants) + variants.size());
            const auto known = std::find(levels_.begin(), levels_.end(), rest.substr(0, rest.find('/')));
            if (known == levels_.end()) continue;  // not for this processor
            level = static_cast<std::size_t>(known - levels_.begin());
        }
        cache_[std::string(text(number(at + 4)))].push_back({path, level});
    }
    for (auto& [name, files] : cache_)
        std::stable_sort(files.begin(), files.end(),
                         [](const Cached& a, const Cached& b) { return a.level < b.level; });
}

struct LibrarySearch::Step {
    const ModuleFile* file;
    LibraryRef keeps;
    Folders inherited;  // DT_RPATH of those that led here
};

Result<std::vector<FoundLibrary>> LibrarySearch::libraries_of(const ModuleFile& file,
                                                              std::span<const LibraryInProcess> there,
                                                              const FileInProcess& file_there) {
    absent_.clear();
    looks_ = 0;
    const auto too_much = [&](std::string what) {
        return Error{Errc::unsupported, quoted(file.path.native(), 1000) +
                                            " pulls in libraries beyond what interlock "
                                            "looks at: " +
                                            std::move(what)};
    };
    std::vector<FoundLibrary> found;
    std::vector<Step> queue{{&file, nullptr, {}}};
    std::set<std::string, std::less<>> names{file.linkage.soname};
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen{{file.identity.device, file.identity.inode}};
    for (std::size_t i = 0; i < queue.size(); ++i) {
        const Step by = queue[i];
        const Linkage& linkage = by.file->linkage;
        Folders inherited;  // with a DT_RUNPATH the DT_RPATH does not count
        if (linkage.runpath.empty()) inherited = folders_of(linkage.rpath, by.file->path.parent_path());
        inherited.insert(inherited.end(), by.inherited.begin(), by.inherited.end());
        for (const std::string& name : linkage.needed) {
            if (name.empty() || !names.insert(name).second) continue;
            if (names.size() > most_libraries) return too_much("more than " + std::to_string(most_libraries));
            FoundLibrary next{name, by.file->path.native(), LibraryOrigin::not_found, nullptr, 0};
            const auto loaded = std::find_if(there.begin(), there.end(), [&](const LibraryInProcess& other) {
                return other.soname == name || other.path == name ||
                       (!other.path.empty() && file_name(other.path) == name);
            });
            if (loaded != there.end()) {
                next.origin = LibraryOrigin::loaded;
                next.in_process = static_cast<std::size_t>(loaded - there.begin());
                next.library = file_there(next.in_process);
            } else {
                Match match = find(name, *by.file, inherited);
                next.library = std::move(match.library);
                next.origin = match.origin;
            }
            if (looks_ > most_looks)
                return too_much("more than " + std::to_string(most_looks) + " places where one could be");
            if (const LibraryRef& library = next.library) {
                if (!library->file.linkage.soname.empty()) names.insert(library->file.linkage.soname);
                const FileIdentity& identity = library->file.identity;
                if (!seen.emplace(identity.device, identity.inode).second) continue;
                queue.push_back({&library->file, library, inherited});
            }
            found.push_back(std::move(next));
        }
    }
    return found;
}

LibrarySearch::Match LibrarySearch::find(const std::string& name, const ModuleFile& by, const Folders& inherited) {
    learn();
    const fs::path origin = by.path.parent_path();
    if (name.find('/') != name.npos) {
        for (const fs::path& path : folders_of(name, origin))
            if (LibraryRef found = look(path)) return {std::move(found), LibraryOrigin::path};
        return {};
    }
    const Linkage& linkage = by.linkage;
    for (const Folders* folders : {&inherited, static_cast<const Folders*>(&from_program_)})
        if (linkage.runpath.empty())
            if (LibraryRef found = find_in(*folders, name)) return {std::move(found), LibraryOrigin::rpath};
    if (LibraryRef found = find_in(from_environment_, name)) return {std::move(found), LibraryOrigin::environment};
    if (LibraryRef found = find_in(folders_of(linkage.runpath, origin), name))
        return {std::move(found), LibraryOrigin::runpath};
    const auto is_default = [&](const std::string& file) {
        return std::any_of(default_.begin(), default_.end(),
                           [&](const fs::path& folder) { return file.starts_with(folder.native() + '/'); });
    };
    if (const auto entry = cache_.find(name); entry != cache_.end())
        for (const Cached& cached : entry->second) {
            if (linkage.no_default_folders && is_default(cached.file)) continue;
            if (LibraryRef found = look(cached.file)) return {std::move(found), LibraryOrigin::cache};
        }
    if (!linkage.no_default_folders)
        if (LibraryRef found = find_in(default_, name)) return {std::move(found), LibraryOrigin::default_folder};
    return {};
}

LibraryRef LibrarySearch::find_in(const Folders& folders, const std::string& name) {
    for (const fs::path& folder : folders) {
        if (absent_.contains(folder.native())) continue;
        std::error_code unknown;
        if (!fs::is_directory(folder, unknown)) {
            absent_.insert(folder.native());
            continue;
        }
        const fs::path variants = folder / "glibc-hwcaps";
        if (!absent_.contains(variants.native())) {
            if (!fs::is_directory(variants, unknown)) absent_.insert(variants.native());
            for (const std::string& level : levels_)
                if (LibraryRef found = look(variants / level / name)) return found;
        }
        if (LibraryRef found = look(folder / name)) return found;
    }
    return nullptr;
}

LibraryRef LibrarySearch::look(const fs::path& file) { return ++looks_ > most_looks ? nullptr : files_.read(file); }

std::vector<MissingLibrary> missing_libraries(LibrarySearch& search, const fs::path& file,
                                              std::span<const std::string> loaded) {
    std::error_code unknown;
    const LibraryRef first = search.files().read(fs::absolute(file, unknown));
    if (first == nullptr) return {};
    std::vector<LibraryRef> files;
    std::vector<LibraryInProcess> there;
    for (const std::string& path : loaded) {
        const LibraryRef& library = files.emplace_back(search.files().read(path));
        there.push_back({path, library ? std::string_view(library->file.linkage.soname) : std::string_view()});
    }
    std::vector<MissingLibrary> missing;
    const auto libraries = search.libraries_of(first->file, there, [&](std::size_t place) { return files[place]; });
    if (!libraries) return missing;
    for (const FoundLibrary& library : *libraries)
        if (library.origin == LibraryOrigin::not_found) missing.push_back({library.name, library.needed_by});
    return missing;
}

std::string initial_library_path() {
    std::ifstream environment("/proc/self/environ", std::ios::binary);
    constexpr std::string_view name = "LD_LIBRARY_PATH=";
    for (std::string entry; std::getline(environment, entry, '\0');)
        if (entry.starts_with(name)) return entry.substr(name.size());
    return {};
}

}  // namespace interlock::detail
