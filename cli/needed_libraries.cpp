// needed_libraries.cpp: see needed_libraries.hpp.
//
// SPDX-License-Identifier: MIT
#include "needed_libraries.hpp"

#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <system_error>

#include "../abi/src/elf_view.hpp"
#include "../abi/src/regular_file.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_dynamic_bytes = 1u << 20;
constexpr std::uint64_t longest_text = 4096;
constexpr std::size_t most_libraries = 4096;  // that are looked at for one file
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

/// What is behind "$ORIGIN/../lib:/opt/$LIB", for a file in `origin`.
std::vector<fs::path> folders_of(std::string_view list, const fs::path& origin) {
    std::vector<fs::path> folders;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(':', begin), list.size());
        std::string folder = expanded(list.substr(begin, end - begin), {"${ORIGIN}", "$ORIGIN"}, origin.native());
        begin = end + 1;
        if (folder.empty()) folder = ".";
        const std::string short_name = expanded(folder, {"${LIB}", "$LIB"}, "lib");
        folders.emplace_back(short_name);
        if (short_name != folder) folders.emplace_back(expanded(folder, {"${LIB}", "$LIB"}, "lib64"));
    }
    return folders;
}

/// Zero-terminated, from a file; empty when it is not there.
std::string text_at(const ElfView& view, std::uint64_t table, std::uint64_t offset) {
    const ElfView::Place place = view.place(table + offset, "a name");
    ByteSource::Buffer buffer;
    const auto bytes = view.source().read(place.offset, std::min(place.available, longest_text), "a name", buffer);
    const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
    return end == bytes.end() ? std::string() : std::string(bytes.begin(), end);
}

/// ld.so.cache: what `ldconfig` wrote; the format is in glibc's dl-cache.h.
std::map<std::string, std::vector<std::string>, std::less<>> read_cache(const fs::path& file) {
    std::map<std::string, std::vector<std::string>, std::less<>> found;
    std::ifstream in(file, std::ios::binary);
    std::string bytes;
    in.seekg(0, std::ios::end);
    const auto size = in.tellg();
    if (!in || size <= 0 || static_cast<std::uint64_t>(size) > largest_cache) return found;
    bytes.resize(static_cast<std::size_t>(size));
    in.seekg(0);
    if (!in.read(bytes.data(), size)) return found;
    const std::size_t start = bytes.find("glibc-ld.so.cache1.1");  // older caches have another one before it
    constexpr std::size_t header = 48, entry = 24;
    if (start == bytes.npos || bytes.size() - start < header) return found;
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
    if (count > (bytes.size() - start - header) / entry) return found;
    for (std::size_t at = start + header, i = 0; i < count; ++i, at += entry)
        found[std::string(text(number(at + 4)))].emplace_back(text(number(at + 8)));
    return found;
}

bool is_file(const fs::path& path) {
    std::error_code unknown;
    return fs::is_regular_file(path, unknown);
}

}  // namespace

LibrarySearch::LibrarySearch(const fs::path& executable, const std::vector<std::string>& loaded)
    : cache_(read_cache("/etc/ld.so.cache")) {
    if (const Library* program = read(executable)) from_program_ = program->rpath;
    for (const std::string& file : loaded) {
        loaded_.insert(fs::path(file).filename().native());
        if (const Library* library = read(file); library != nullptr && !library->name.empty())
            loaded_.insert(library->name);
    }
    if (const char* variable = std::getenv("LD_LIBRARY_PATH"); variable != nullptr && *variable != '\0') {
        std::string list = variable;
        std::replace(list.begin(), list.end(), ';', ':');
        from_environment_ = folders_of(list, executable.parent_path());
    }
    default_ = {"/lib", "/usr/lib", "/lib64", "/usr/lib64"};
    if (cache_.empty()) default_.emplace_back("/usr/local/lib");  // musl has no cache
    // Debian's linker looks there first.
    std::error_code none;
    for (fs::directory_iterator entry("/usr/lib", none); !none && entry != fs::directory_iterator();
         entry.increment(none))
        if (entry->path().filename().native().find("-linux-") != std::string::npos) default_.push_back(entry->path());
}

std::vector<MissingLibrary> LibrarySearch::missing_for(const fs::path& file) {
    struct Step {
        const Library* library;
        Folders inherited;  // DT_RPATH of those that led here
    };
    std::error_code unknown;
    const Library* first = read(fs::absolute(file, unknown));
    std::vector<MissingLibrary> missing;
    if (first == nullptr) return missing;
    std::vector<Step> queue{{first, from_program_}};
    std::set<const Library*> seen{first};
    std::set<std::string, std::less<>> there = loaded_;
    for (std::size_t i = 0; i < queue.size() && i < most_libraries; ++i) {
        const Library& by = *queue[i].library;
        Folders inherited = by.rpath;
        inherited.insert(inherited.end(), queue[i].inherited.begin(), queue[i].inherited.end());
        for (const std::string& name : by.needed) {
            if (there.contains(name)) continue;
            there.insert(name);  // said once
            const Library* found = find(name, by, inherited);
            if (found == nullptr) {
                missing.push_back({name, by.path.native()});
                continue;
            }
            if (!found->name.empty()) there.insert(found->name);
            if (seen.insert(found).second) queue.push_back({found, inherited});
        }
    }
    return missing;
}

const LibrarySearch::Library* LibrarySearch::find(const std::string& name, const Library& by,
                                                  const Folders& inherited) {
    if (name.find('/') != name.npos) {
        const auto paths = folders_of(name, by.path.parent_path());
        return paths.empty() ? nullptr : read(paths.front());
    }
    // With a DT_RUNPATH the DT_RPATHs do not count.
    if (by.runpath.empty())
        if (const Library* found = find_in(inherited, name)) return found;
    for (const Folders* folders : {static_cast<const Folders*>(&from_environment_), &by.runpath})
        if (const Library* found = find_in(*folders, name)) return found;
    if (const auto entry = cache_.find(name); entry != cache_.end())
        for (const std::string& path : entry->second)
            if (const Library* found = read(path)) return found;
    return find_in(default_, name);
}

const LibrarySearch::Library* LibrarySearch::find_in(const Folders& folders, const std::string& name) {
    for (const fs::path& folder : folders) {
        if (const Library* found = read(folder / name)) return found;
        for (const char* level : {"x86-64-v4", "x86-64-v3", "x86-64-v2", "power10", "power9", "z16", "z15", "z14"})
            if (const Library* found = read(folder / "glibc-hwcaps" / level / name)) return found;
    }
    return nullptr;
}

const LibrarySearch::Library* LibrarySearch::read(const fs::path& file) {
    const auto [entry, fresh] = known_.try_emplace(file.native());
    Library& library = entry->second;
    if (!fresh) return library.usable ? &library : nullptr;
    library.path = file;
    if (!is_file(file)) return nullptr;
    try {
        const Result<RegularFile> open = RegularFile::open(file);
        if (!open) return nullptr;
        const std::string name = file.native();
        const ByteSource source(*open, name);
        const ElfView view(source);
        if (!view.native()) return nullptr;
        library.usable = true;
        const auto dynamic = std::find_if(view.segments().begin(), view.segments().end(),
                                          [](const Segment& segment) { return segment.type == PT_DYNAMIC; });
        if (dynamic == view.segments().end()) return &library;
        ByteSource::Buffer buffer;
        const auto bytes = source.read(dynamic->offset, std::min(dynamic->file_size, most_dynamic_bytes),
                                       "the dynamic section", buffer);
        const Decoder& decoder = view.decoder();
        std::optional<std::uint64_t> texts;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> named;
        for (std::size_t at = 0, word = decoder.word_size(); bytes.size() - at >= 2 * word; at += 2 * word) {
            const std::uint64_t tag = decoder.word(bytes, at), value = decoder.word(bytes, at + word);
            if (tag == DT_NULL) break;
            if (tag == DT_STRTAB) texts = value;
            if (tag == DT_NEEDED || tag == DT_SONAME || tag == DT_RPATH || tag == DT_RUNPATH)
                named.emplace_back(tag, value);
        }
        if (!texts) return &library;
        for (const auto& [tag, offset] : named) {
            const std::string text = text_at(view, *texts, offset);
            if (tag == DT_NEEDED)
                library.needed.push_back(text);
            else if (tag == DT_SONAME)
                library.name = text;
            else
                (tag == DT_RPATH ? library.rpath : library.runpath) = folders_of(text, file.parent_path());
        }
        if (!library.runpath.empty()) library.rpath.clear();
    } catch (const Failure&) {
        // What is damaged is said by those who look at the file itself.
    }
    return library.usable ? &library : nullptr;
}

std::vector<std::string> loaded_libraries() {
    std::set<std::string> files;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (const std::size_t path = line.find('/'); path != line.npos && line.find(".so", path) != line.npos)
            files.insert(line.substr(path));
    return {files.begin(), files.end()};
}

}  // namespace interlock::cli
