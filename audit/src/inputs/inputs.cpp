// inputs.cpp: tells folders, archives, libraries and FILE!MEMBER apart, and has what the walks share: packages, errors,
// handing over. Folders are in inputs_folder.cpp, archives in inputs_archive.cpp.
//
// SPDX-License-Identifier: MIT
#include "inputs/inputs.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <system_error>

#include <interlock/escape.hpp>

#include "inputs/inputs_paths.hpp"

namespace interlock::auditing::inputs {

namespace fs = std::filesystem;

void Candidate::load(std::uint64_t size_limit, Unpacker& unpacker) {
    if (packed) {
        content = unpacker.unpack(*packed);
        // A large one is in a temporary file by now, and a small one without what it was packed in.
        memory.keep(content.size());
        packed.reset();
    } else if (!disk_path.empty()) {
        content = Content::of_disk_file(disk_path, size_limit).value();
    }
}

void Inputs::walk(const std::string& input) {
    try {
        struct stat status{};
        if (input.find('\0') == input.npos && ::stat(input.c_str(), &status) == 0) return walk_path(input, {});
        const int why = errno;
        // FILE!MEMBER, and FILE may have a '!' in its name too.
        for (std::size_t at = input.find('!'); at != input.npos; at = input.find('!', at + 1)) {
            const std::string file = input.substr(0, at);
            if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && at + 1 < input.size())
                return walk_path(file, std::string_view(input).substr(at + 1));
        }
        if (why == ENOENT || why == ENOTDIR || input.find('\0') != input.npos)
            report(input, {Errc::not_found, "no such file or folder: " + quoted(input, 4096)});
        else
            report(input, {Errc::unreadable,
                           "cannot read " + quoted(input, 4096) + ": " + std::generic_category().message(why)});
    } catch (const Failure& failure) {
        report(input, failure.error());
    } catch (const std::bad_alloc&) {
        report(input, {Errc::unreadable, "cannot read " + quoted(input, 4096) + ": out of memory"});
    } catch (const std::exception& error) {
        report(input, {Errc::internal, "cannot read " + quoted(input, 4096) + ": " + escape(error.what())});
    }
}

void Inputs::walk_path(const std::string& path, std::string_view wanted) {
    std::error_code error;
    if (fs::is_directory(path, error)) return walk_folder(path);
    walk_file(path, wanted);
}

void Inputs::walk_file(const std::string& path, std::string_view wanted) {
    auto file = open_regular(path);
    if (!file) return report(path, std::move(file).error());
    count_file(path);
    std::array<std::uint8_t, head_size> buffer;
    FileStream stream(file->descriptor.get(), 0, file->size, path);
    const Head head = Head(buffer).first(stream.fill(buffer));
    const bool archive = !looks_like_binary(head) && (archive_by_content(head) || archive_by_name(path));
    if (!archive && !wanted.empty())
        return report(path + '!' + std::string(wanted),
                      {Errc::not_found, quoted(path, 4096) + " is no archive, so it has no member " + quoted(wanted)});
    std::string place = place_of(path);
    // Several members of one archive are several inputs.
    if (!wanted.empty()) place += '!' + std::string(wanted);
    if (!first_visit(std::move(place))) return;
    if (archive) return walk_archive(path, std::move(*file), wanted);

    PackageAudit package;
    package.name = file_name(path);
    package.path = path;
    package.kind = "file";
    hand_over_file(path, module_path_on_disk(path), add_package(package), true);
}

std::size_t Inputs::add_package(const PackageAudit& package) {
    const auto [found, added] = package_index_.try_emplace({package.path, package.name}, packages_.size());
    if (added) packages_.push_back(package);
    return found->second;
}

std::uint64_t Inputs::hand_over(Candidate candidate) {
    const std::uint64_t sequence = candidate.sequence = next_sequence_++;
    sink_.binary(std::move(candidate));
    return sequence;
}

void Inputs::hand_over_file(const std::string& path, std::string module_path, std::size_t package, bool named) {
    Candidate candidate;
    candidate.path = path;
    candidate.module_path = std::move(module_path);
    candidate.disk_path = path;
    candidate.package = package;
    candidate.named = named;
    candidate.memory = memory_.reserve(0);
    hand_over(std::move(candidate));
}

void Inputs::report(const std::string& path, Error error) {
    sink_.error(next_sequence_++, {path, error.code, std::move(error.message)});
}

void Inputs::report_skipped(const std::string& path, std::string_view why) {
    sink_.skipped(next_sequence_++, escape(path, 4096) + ": " + std::string(why));
}

std::string module_path_on_disk(const fs::path& file) {
    std::error_code error;
    const fs::path absolute = fs::absolute(file, error).lexically_normal();
    const std::string text = absolute.generic_string();
    const std::string_view below = below_import_root(text);
    if (below.size() < text.size()) return std::string(below);
    std::string path = absolute.filename().generic_string();
    fs::path folder = absolute.parent_path();
    for (int depth = 0; depth < 64 && fs::exists(folder / "__init__.py", error); ++depth) {
        path = folder.filename().generic_string() + '/' + path;
        folder = folder.parent_path();
    }
    return path;
}

}  // namespace interlock::auditing::inputs
