// archive_zip_index.cpp: the directory is read once; of the libraries that were unpacked, those used last are kept,
// within the memory that the budget allows. Who asks for one that is being unpacked waits for it.
//
// SPDX-License-Identifier: MIT
#include "inputs/archive_zip_index.hpp"

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>

#include <interlock/escape.hpp>

namespace interlock::auditing::inputs {
namespace {

/// Of names; the largest known wheel has 200 KB of them.
constexpr std::uint64_t names_limit = 16u << 20;

}  // namespace

// Those in temporary files use no memory, but a descriptor each.
struct ZipIndex::Kept {
    static constexpr std::size_t most = 64;
    std::mutex mutex;
    std::list<std::pair<std::string, std::shared_ptr<const Content>>> libraries;  ///< the last one first
    std::uint64_t unpacked = 0;

    void make_room(std::uint64_t memory) {
        const auto in_memory = [&] {
            std::uint64_t sum = 0;
            for (const auto& [name, content] : libraries)
                if (content->size() <= in_memory_limit) sum += content->size();
            return sum;
        };
        while (!libraries.empty() && (libraries.size() > most || in_memory() > memory)) libraries.pop_back();
    }
};

ZipIndex::ZipIndex(std::shared_ptr<const OpenedFile> file, std::string path, const AuditBudget& budget)
    : file_(std::move(file)), path_(std::move(path)), kept_(std::make_shared<Kept>()) {
    Usage usage(budget, path_, file_->size);
    std::uint64_t names = 0;
    ZipArchive(file_, path_, usage).each([&](const ZipMember& member) {
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

// Who waits for the same library gets it from the one who unpacks it.
std::shared_ptr<const Content> ZipIndex::library(std::string_view name, const AuditBudget& budget,
                                                 Unpacker& unpacker) const {
    const auto found = libraries_.find(name);
    if (found == libraries_.end()) return nullptr;
    const std::lock_guard lock(kept_->mutex);
    auto& all = kept_->libraries;
    const auto known = std::ranges::find(all, name, [](const auto& one) -> std::string_view { return one.first; });
    if (known != all.end()) {
        all.splice(all.begin(), all, known);
        return all.front().second;
    }
    const std::uint64_t size = found->second.unpacked;
    if (size > budget.archive_size - std::min(budget.archive_size, kept_->unpacked)) return nullptr;
    kept_->unpacked += size;  // also what turns out to be damaged was unpacked
    auto content = extract(name, budget.binary_size, unpacker);
    if (!content) return nullptr;
    auto shared = std::make_shared<const Content>(std::move(*content));
    all.emplace_front(name, shared);
    kept_->make_room(budget.memory);
    return shared;
}

}  // namespace interlock::auditing::inputs
