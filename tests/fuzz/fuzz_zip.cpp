// fuzz_zip.cpp: the fuzzing target for zip files: the directory, and each member that it names. Besides not crashing:
// both ways to unpack a member give the same bytes, as many as the directory says, with the checksum that it says;
// every message can be printed; and the index finds what the walk finds.
//
// SPDX-License-Identifier: MIT
#include <libdeflate.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "inputs/archive_zip_index.hpp"

namespace {

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::inputs;

constexpr std::uint64_t size_limit = 1 << 20;

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
}

void check(const Error& error) {
    require(error.code != Errc::internal && !error.message.empty(), "an error says what");
    for (const char c : error.message)
        require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error can be printed");
}

AuditBudget small_budget() {
    AuditBudget budget;
    budget.archive_entries = 1000;
    budget.archive_size = 64 << 20;
    return budget;
}

std::optional<std::string> piece_by_piece(const PackedMember& packed, Usage& usage) {
    ZipMemberStream stream(*packed.archive, packed.member, packed.path, &usage);
    std::string bytes(packed.member.unpacked + 1, '\0');
    try {
        bytes.resize(stream.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
    } catch (const Failure& failure) {
        check(failure.error());
        return std::nullopt;
    }
    return bytes;
}

std::optional<std::string> at_once(const PackedMember& packed) {
    try {
        const Content content = unpack(packed);
        return content.head(content.size());
    } catch (const Failure& failure) {
        check(failure.error());
        return std::nullopt;
    }
}

void check_member(const PackedMember& packed, Usage& usage) {
    const ZipMember& member = packed.member;
    require(member.name.find('\\') == std::string::npos, "folders are separated with '/'");
    if (member.unpacked > size_limit) return;
    const auto pieces = piece_by_piece(packed, usage), whole = at_once(packed);
    for (const auto& bytes : {pieces, whole}) {
        if (!bytes) continue;
        require(bytes->size() == member.unpacked, "a member has the size that the directory says");
        require(libdeflate_crc32(0, bytes->data(), bytes->size()) == member.crc, "its checksum is right");
        require(member.unreadable.empty(), "what is said to be unreadable is not read");
    }
    if (pieces && whole) require(*pieces == *whole, "both ways give the same bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const AuditBudget budget = small_budget();
    auto file = std::make_shared<OpenedFile>(interlock::base::Descriptor(::memfd_create("input", MFD_CLOEXEC)), size);
    if (!file->descriptor || ::write(file->descriptor.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
    Usage usage(budget, "input", UINT64_MAX);
    std::uint64_t libraries = 0, seen = 0;
    try {
        const ZipArchive archive(file, "input", usage);
        archive.each([&](const ZipMember& member) {
            ++seen;
            libraries += member.regular && !member.nameless && is_library_name(member.name);
            check_member({file, member, "input!" + member.name}, usage);
        });
        require(seen == archive.entries(), "all members are gone through");
        if (archive.damage()) check(*archive.damage());
        const ZipIndex index(file, "input", budget);
        require(index.libraries().size() <= libraries && index.libraries().empty() == (libraries == 0),
                "the index has what the walk finds");
    } catch (const Failure& failure) {
        check(failure.error());
    }
    return 0;
}
