// archive_zip_index.hpp: the libraries in a zip file by name, for who needs one of them beside the module that is
// judged.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "inputs/archive_zip.hpp"
#include "inputs/unpacker.hpp"

namespace interlock::auditing::inputs {

class ZipIndex {
public:
    using Members = std::map<std::string, ZipMember, std::less<>>;

    /// `file` can be that of PackedMember::archive. `path` is for messages: the archive as in reports, so that of a
    /// nested one as well. Throws Failure: malformed_file, unsupported (a limit of `budget`).
    ZipIndex(std::shared_ptr<const OpenedFile> file, std::string path, const AuditBudget& budget);
    /// A zip file on disk. Errors: not_found, unreadable, malformed_file, unsupported.
    static Result<ZipIndex> of_file(const std::string& path, const AuditBudget& budget);

    /// All that are named like libraries (is_library_name), by the name in the archive ("pkg.libs/libx.so.1"). Of two
    /// with the same name the last, as installers have it.
    const Members& libraries() const noexcept { return libraries_; }

    /// One of them, unpacked by `unpacker`; no account of the memory is kept. [any-thread] Errors: not_found;
    /// malformed_file, where anything is not as the directory says; unsupported, also for more than `size_limit` bytes;
    /// io_error.
    Result<Content> extract(std::string_view name, std::uint64_t size_limit,
                            Unpacker& unpacker = unpacker_here()) const;

    /// The same for all who look for libraries here, so that modules of one archive do not unpack the same one again
    /// and again. What was asked for last is kept, within `memory` of the budget; all that is unpacked for libraries is
    /// not more than `archive_size`. [any-thread] Null when it cannot be had.
    std::shared_ptr<const Content> library(std::string_view name, const AuditBudget& budget, Unpacker& unpacker) const;

private:
    struct Kept;
    std::shared_ptr<const OpenedFile> file_;
    std::string path_;
    Members libraries_;
    std::shared_ptr<Kept> kept_;
};

}  // namespace interlock::auditing::inputs
