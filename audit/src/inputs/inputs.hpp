// inputs.hpp: goes through what the user named: files, folders, virtual environments, wheels and other archives; and
// hands over each library in it, with the package that it belongs to. Knows nothing of what is done with them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <interlock/audit.hpp>

#include "inputs/archive_names.hpp"
#include "inputs/archive_zip.hpp"
#include "inputs/inputs_content.hpp"
#include "inputs/unpacker.hpp"

namespace interlock::auditing::inputs {

/// A file that should be audited.
struct Candidate {
    std::uint64_t sequence = 0;       ///< number in the order of the walk
    std::string path;                 ///< BinaryAudit::path
    std::string module_path;          ///< BinaryContext::module_path
    std::filesystem::path disk_path;  ///< empty for a member of an archive
    std::string manifest;             ///< of a member of an archive; that of a file lies beside it
    std::size_t package = 0;          ///< index into Inputs::packages()
    bool named = false;               ///< by the user: to be a binary is not up to it
    bool in_wheel = false;
    /// Of a member of a tar file. A file on disk is opened, and a member of a zip file unpacked, by load().
    Content content;
    std::optional<PackedMember> packed;
    MemoryBudget::Ticket memory;  ///< for what load() takes; also of files: millions of them shall not wait at once

    /// Fills `content`, on the thread that needs it. Throws Failure: not_found, unreadable, malformed_file, io_error;
    /// unsupported, also for a file on disk of more than `size_limit` bytes.
    void load(std::uint64_t size_limit, Unpacker& unpacker = unpacker_here());
};

/// Takes what the walk finds. Called by the thread that walks.
class InputSink {
public:
    virtual ~InputSink() = default;
    virtual void binary(Candidate candidate) = 0;
    virtual void error(std::uint64_t sequence, InputError error) = 0;
    /// Nothing to audit there; `text` names it and says why.
    virtual void skipped(std::uint64_t sequence, std::string text) = 0;
    /// Why nothing more is to be looked for, as an error of `path`; nullopt: go on.
    virtual std::optional<Error> stopped(const std::string&) { return std::nullopt; }
    /// A binary with this number is going to be handed over once more: its manifest came behind it in the archive.
    virtual void discard(std::uint64_t sequence) = 0;
};

/// One walk. One thread at a time; what is passed outlives it.
class Inputs {
public:
    Inputs(const AuditBudget& budget, MemoryBudget& memory, InputSink& sink, Unpacker& unpacker = unpacker_here())
        : budget_(budget), memory_(memory), sink_(sink), unpacker_(unpacker) {}
    Inputs(const Inputs&) = delete;
    Inputs& operator=(const Inputs&) = delete;

    /// Everything in one input. What cannot be read goes to the sink; never throws for what files contain.
    void walk(const std::string& input);

    const std::vector<PackageAudit>& packages() const noexcept { return packages_; }
    std::uint64_t files() const noexcept { return files_; }

    // For the parts of the walk: folders (inputs_folder.cpp) and archives (inputs_archive.cpp).

    const AuditBudget& budget() const noexcept { return budget_; }
    MemoryBudget& memory() noexcept { return memory_; }
    Unpacker& unpacker() noexcept { return unpacker_; }
    /// One more file that is looked at. `path`: of the input or archive in which it is. Throws LimitReached, when there
    /// is no time for it.
    void count_file(const std::string& path) {
        if (auto why = sink_.stopped(path)) throw LimitReached(std::move(*why));
        ++files_;
    }
    /// The index of the package with this path and name; it is added if it is new.
    std::size_t add_package(const PackageAudit& package);
    PackageAudit& package(std::size_t index) { return packages_[index]; }
    /// Whether this is the first time that the file at this place is met (inputs_paths.hpp).
    bool first_visit(std::string place) { return seen_.insert(std::move(place)).second; }
    /// Fills `sequence` and returns it.
    std::uint64_t hand_over(Candidate candidate);
    /// A library on disk.
    void hand_over_file(const std::string& path, std::string module_path, std::size_t package, bool named);
    void discard(std::uint64_t sequence) { sink_.discard(sequence); }
    void report(const std::string& path, Error error);
    void report_skipped(const std::string& path, std::string_view why);
    /// An archive on disk. `wanted`: one member, as behind the '!'; empty for all of it.
    void walk_archive(const std::string& path, OpenedFile file, std::string_view wanted);

private:
    void walk_path(const std::string& path, std::string_view wanted);
    void walk_file(const std::string& path, std::string_view wanted);
    void walk_folder(const std::string& path);

    const AuditBudget& budget_;
    MemoryBudget& memory_;
    InputSink& sink_;
    Unpacker& unpacker_;
    std::vector<PackageAudit> packages_;
    std::map<std::pair<std::string, std::string>, std::size_t> package_index_;
    std::unordered_set<std::string> seen_;  ///< places
    std::uint64_t next_sequence_ = 0, files_ = 0;
};

/// For a file that is named alone, or in a folder that is no site-packages: below the outermost folder around it that
/// is a Python package.
std::string module_path_on_disk(const std::filesystem::path& file);

}  // namespace interlock::auditing::inputs
