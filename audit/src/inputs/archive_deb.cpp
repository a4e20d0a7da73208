// archive_deb.cpp: the members of a .deb file: an ar archive of three files with short names. Our own reader, as
// libarchive's reads the table of long names, which a .deb does not have, into memory up to 1 GiB.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include <interlock/escape.hpp>

#include "inputs/archive.hpp"

namespace interlock::auditing::inputs {
namespace {

constexpr std::string_view magic = "!<arch>\n";
constexpr std::size_t header_size = 60;

class DebReader : public ArchiveReader {
public:
    DebReader(ByteStream& stream, const std::string& name, Usage& usage) : stream_(stream), name_(name), usage_(usage) {
        std::array<std::uint8_t, 8> start;
        if (stream_.fill(start) != start.size() || std::memcmp(start.data(), magic.data(), magic.size()) != 0)
            broken("it does not start with \"!<arch>\"");
    }

    bool next(Member& member) override {
        skip(left_ + padding_);
        left_ = padding_ = 0;
        std::array<std::uint8_t, header_size> header;
        const std::size_t got = stream_.fill(header);
        if (got == 0) return false;
        if (got != header_size || header[58] != '`' || header[59] != '\n')
            broken("a header of a member is damaged or truncated");
        usage_.count_entry();
        const std::string_view text(reinterpret_cast<const char*>(header.data()), header_size);
        left_ = decimal(text.substr(48, 10));
        padding_ = left_ % 2;
        std::string_view name = text.substr(0, 16);
        name = name.substr(0, name.find_last_not_of(' ') + 1);
        if (name.ends_with('/')) name.remove_suffix(1);
        member = {};
        member.name = member_name(name);
        member.size = left_;
        member.regular = true;
        return true;
    }

    std::size_t read(std::span<std::uint8_t> buffer) override {
        if (buffer.size() > left_) buffer = buffer.first(static_cast<std::size_t>(left_));
        if (buffer.empty()) return 0;
        const std::size_t got = stream_.read(buffer);
        if (got == 0) broken("it ends within a member; it may be truncated");
        left_ -= got;
        return got;
    }

private:
    [[noreturn]] void broken(const char* why) const {
        throw Failure({Errc::malformed_file, "cannot read the package " + quoted(name_, 4096) + ": " + why});
    }

    std::uint64_t decimal(std::string_view text) const {
        std::uint64_t value = 0;
        text = text.substr(0, text.find_last_not_of(' ') + 1);
        if (text.empty()) broken("the size of a member is missing");
        for (const char c : text) {
            if (c < '0' || c > '9') broken("the size of a member is not a number");
            value = value * 10 + static_cast<std::uint64_t>(c - '0');
        }
        return value;
    }

    void skip(std::uint64_t bytes) {
        std::array<std::uint8_t, 16 * 1024> buffer;
        while (bytes > 0) {
            std::uint64_t gone = stream_.skip(bytes);
            if (gone == 0) {
                const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, buffer.size()));
                gone = stream_.read({buffer.data(), size});
            }
            if (gone == 0) {
                // The last byte of padding is often missing, and nobody minds.
                if (bytes == 1 && left_ == 0) return;
                broken("it ends within a member; it may be truncated");
            }
            bytes -= gone;
        }
    }

    ByteStream& stream_;
    std::string name_;
    Usage& usage_;
    std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveReader> open_deb(ByteStream& stream, const std::string& name, Usage& usage) {
    return std::make_unique<DebReader>(stream, name, usage);
}

}  // namespace interlock::auditing::inputs
