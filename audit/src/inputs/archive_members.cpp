// archive_members.cpp: zip and tar through libarchive.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <clocale>
#include <string_view>

#include <interlock/escape.hpp>

#include "inputs/archive.hpp"
#include "inputs/archive_handle.hpp"

namespace interlock::auditing::inputs {
namespace {

/// One header of a tar file with all that belongs to it: long names, maps of sparse files.
constexpr std::uint64_t header_limit = 4u << 20;

/// libarchive converts names to the charset of the locale, and gives none where that does not work: in the C locale,
/// with which each program starts, that is every name beyond ASCII. So this thread is in an UTF-8 locale meanwhile.
class Utf8Names {
public:
    Utf8Names() : before_(locale() == nullptr ? nullptr : ::uselocale(locale())) {}
    Utf8Names(const Utf8Names&) = delete;
    Utf8Names& operator=(const Utf8Names&) = delete;
    ~Utf8Names() {
        if (before_ != nullptr) ::uselocale(before_);
    }

    static locale_t locale() {
        static const locale_t utf8 = [] {
            for (const char* name : {"C.UTF-8", "en_US.UTF-8"})
                if (const locale_t found = ::newlocale(LC_CTYPE_MASK, name, nullptr)) return found;
            return static_cast<locale_t>(nullptr);
        }();
        return utf8;
    }

private:
    locale_t before_;
};

class LibarchiveReader : public ArchiveReader {
public:
    LibarchiveReader(ByteStream& stream, const std::string& name, Usage& usage)
        : handle_(stream, name), name_(name), usage_(usage) {}

    bool next(Member& member) override {
        const Utf8Names names;
        archive_entry* entry = nullptr;
        handle_.rename(name_);
        before_header();
        const int status = archive_read_next_header(handle_.get(), &entry);
        handle_.limit_reading(UINT64_MAX);
        if (status == ARCHIVE_EOF) return false;
        handle_.check(status);
        usage_.count_entry();
        const char* stored = archive_entry_pathname(entry);
        if (stored == nullptr) stored = archive_entry_pathname_utf8(entry);
        member = {};
        member.nameless = stored == nullptr;
        member.name = member_name(stored == nullptr ? "" : stored);
        if (archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0)
            member.size = static_cast<std::uint64_t>(archive_entry_size(entry));
        // A hard link has the type of what it refers to, and no content.
        member.regular = archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr;
        member.hard_link = archive_entry_hardlink(entry) != nullptr;
        const char* target = member.hard_link ? archive_entry_hardlink(entry) : archive_entry_symlink(entry);
        if (target != nullptr) member.link = target;
        if (archive_entry_is_encrypted(entry)) member.unreadable = "it is encrypted";
        examine(member);
        handle_.rename(name_ + '!' + member.name);
        return true;
    }

    std::size_t read(std::span<std::uint8_t> buffer) override {
        const la_ssize_t got = archive_read_data(handle_.get(), buffer.data(), buffer.size());
        if (got < 0) handle_.fail();
        count(static_cast<std::uint64_t>(got));
        return static_cast<std::size_t>(got);
    }

protected:
    virtual void before_header() {}
    virtual void examine(Member&) {}
    virtual void count(std::uint64_t) {}

    ArchiveHandle handle_;
    std::string name_;
    Usage& usage_;
};

class TarReader : public LibarchiveReader {
public:
    TarReader(ByteStream& stream, const std::string& name, Usage& usage) : LibarchiveReader(stream, name, usage) {
        handle_.check(archive_read_support_format_tar(handle_.get()));
        handle_.limit_reading(header_limit);
        handle_.open();
    }

private:
    void before_header() override {
        handle_.limit_reading(UINT64_MAX);
        if (started_) handle_.check(archive_read_data_skip(handle_.get()));
        started_ = true;
        handle_.limit_reading(header_limit);
    }
    // The holes of sparse files come from nowhere, and are as much to hold as other bytes.
    void count(std::uint64_t bytes) override { usage_.count_unpacked(bytes); }

    bool started_ = false;
};

}  // namespace

std::string member_name(std::string_view stored) {
    while (stored.starts_with("./")) {
        stored.remove_prefix(1);
        stored.remove_prefix(std::min(stored.find_first_not_of('/'), stored.size()));
    }
    std::string name(stored);
    std::replace(name.begin(), name.end(), '\\', '/');
    return name;
}

void prepare_names() { static_cast<void>(Utf8Names::locale()); }

std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const std::string& name, Usage& usage) {
    return std::make_unique<TarReader>(stream, name, usage);
}

}  // namespace interlock::auditing::inputs
