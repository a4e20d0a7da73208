// archive_zip_index.cpp: see archive_zip_index.hpp.
//
// SPDX-License-Identifier: MIT
#include "archive_zip_index.hpp"

#include <interlock/escape.hpp>

namespace interlock::auditing {
namespace {

/// Of names; the largest known wheel has 200 KB of them.
constexpr std::uint64_t names_limit = 16u << 20;

}  // namespace

ZipIndex::ZipIndex(std::shared_ptr<const OpenedFile> file, std::string path, const AuditBudget& budget)
    : file_(std::move(file)), path_(std::move(path)) {
    Tally tally(budget, path_, file_->size);
    std::uint64_t names = 0;
    ZipArchive(file_, path_, tally).each([&](const ZipMember& member) {
        if (!member.regular || member.nameless || !is_library_name(member.name)) return;
        names += member.name.size() + member.stored_name.size() + sizeof member;
        if (names > names_limit)
            throw Failure({Errc::unsupported, "the libraries in " + quoted(path_, 4096) + " have more than " +
                                                  std::to_string(names_limit >> 20) + " MiB of names"});
        libraries_.insert_or_assign(member.name, member);
    });
}

Result<ZipIndex> ZipIndex::of_file(const std::string& path, const AuditBudget& budget) {
    auto file = open_regular(path);
    if (!file) return std::move(file).error();
    try {
        return ZipIndex(std::make_shared<const OpenedFile>(std::move(*file)), path, budget);
    } catch (const Failure& failure) {
        return failure.error();
    }
}

Result<Content> ZipIndex::extract(std::string_view name, std::uint64_t size_limit, Unpacker& unpacker) const {
    const auto found = libraries_.find(name);
    if (found == libraries_.end())
        return {Errc::not_found, quoted(path_, 4096) + " has no library " + quoted(name, 4096)};
    PackedMember packed{file_, found->second, path_ + '!' + found->second.name};
    if (packed.member.unpacked > size_limit) return too_large(packed.path, size_limit);
    try {
        return unpacker.unpack(packed);
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock::auditing
