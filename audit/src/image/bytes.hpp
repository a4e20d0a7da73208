// bytes.hpp: checked access to the bytes of a file in memory. Reading beyond the end throws; the readers of formats
// let it pass, and their entry points turn it into a Result.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <interlock/escape.hpp>
#include <interlock/result.hpp>

namespace interlock::auditing::image {

/// Numbers and parts of a file, in its byte order, with bounds.
class ByteView {
public:
    using Bytes = std::span<const std::uint8_t>;

    ByteView(Bytes file, const std::string& name, bool wide = true, bool little = true)
        : bytes_(file), name_(&name), wide_(wide), little_(little) {}

    Bytes bytes() const noexcept { return bytes_; }
    std::uint64_t size() const noexcept { return bytes_.size(); }
    bool wide() const noexcept { return wide_; }
    bool little() const noexcept { return little_; }
    /// Bytes of an address.
    unsigned word_size() const noexcept { return wide_ ? 8 : 4; }
    /// Without what lies behind `end`; offsets stay as they are.
    ByteView up_to(std::uint64_t end) const {
        return {bytes_.first(end < bytes_.size() ? end : bytes_.size()), *name_, wide_, little_};
    }
    ByteView with_layout(bool wide, bool little) const { return {bytes_, *name_, wide, little}; }

    bool contains(std::uint64_t offset, std::uint64_t length) const noexcept {
        return offset <= bytes_.size() && length <= bytes_.size() - offset;
    }
    /// `what` names the part in messages.
    Bytes part(std::uint64_t offset, std::uint64_t length, const char* what) const {
        if (!contains(offset, length)) malformed(offset, std::string(what) + " is not within the file");
        return bytes_.subspan(offset, length);
    }
    std::uint8_t u8(std::uint64_t offset, const char* what) const { return part(offset, 1, what)[0]; }
    std::uint16_t u16(std::uint64_t offset, const char* what) const { return number<std::uint16_t>(offset, what); }
    std::uint32_t u32(std::uint64_t offset, const char* what) const { return number<std::uint32_t>(offset, what); }
    std::uint64_t u64(std::uint64_t offset, const char* what) const { return number<std::uint64_t>(offset, what); }
    std::uint64_t word(std::uint64_t offset, const char* what) const {
        return wide_ ? u64(offset, what) : u32(offset, what);
    }
    /// A zero-terminated text; `end` is the first offset that is not part of its table (0 = end of file).
    std::string_view text(std::uint64_t offset, const char* what, std::uint64_t end = 0) const {
        const std::uint64_t limit = end == 0 || end > bytes_.size() ? bytes_.size() : end;
        if (offset >= limit) malformed(offset, std::string(what) + " is not within the file");
        const auto* first = reinterpret_cast<const char*>(bytes_.data()) + offset;
        const auto* zero = static_cast<const char*>(std::memchr(first, 0, limit - offset));
        if (zero == nullptr) malformed(offset, std::string(what) + " has no end");
        return {first, static_cast<std::size_t>(zero - first)};
    }

    /// Throws Failure with malformed_file: "'name' is not a usable shared library: at offset 0x..: reason".
    [[noreturn]] void malformed(std::uint64_t offset, const std::string& reason) const;
    /// Throws Failure with unsupported: it is something else, which no interpreter can import.
    [[noreturn]] void unsupported(const std::string& reason) const;
    /// Throws Failure with unreadable: it may well be a module, which this reader does not manage.
    [[noreturn]] void too_much(const std::string& reason) const;

private:
    template <typename Number>
    Number number(std::uint64_t offset, const char* what) const {
        Number value;
        std::memcpy(&value, part(offset, sizeof value, what).data(), sizeof value);
        return little_ == (std::endian::native == std::endian::little) ? value : std::byteswap(value);
    }

    Bytes bytes_;
    const std::string* name_;
    bool wide_, little_;
};

}  // namespace interlock::auditing::image
