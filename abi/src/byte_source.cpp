// byte_source.cpp: the beginning of a file is read at once, as most of what is asked for lies there; the rest piece by
// piece, within a budget. A file that shrinks meanwhile is an error like one that was cut off before.
//
// SPDX-License-Identifier: MIT
#include "abi/byte_source.hpp"

#include <algorithm>
#include <system_error>

#include <interlock/escape.hpp>

namespace interlock {
namespace {

/// No file, whatever it claims, makes one reader fetch more than this.
constexpr std::uint64_t read_budget = 16U << 20;

}  // namespace

ByteSource::ByteSource(const base::RegularFile& file, const std::string& name)
    : name_(name), file_(&file), size_(file.identity().size) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size_, head_size));
    const auto got = file.read(0, {head_storage_.data(), wanted});
    if (got < 0) {
        throw Failure({Errc::unreadable, "cannot read " + quoted(name_) + ": " +
                                             std::generic_category().message(static_cast<int>(-got))});
    }
    head_ = Bytes(head_storage_).first(static_cast<std::size_t>(got));
}

ByteSource::Bytes ByteSource::read(std::uint64_t offset, std::uint64_t length, const char* what, Buffer& buffer) const {
    if (!contains(offset, length)) {
        malformed(offset, std::string(what) + " (" + std::to_string(length) + " bytes) reaches beyond the end of the " +
                              "file, which is at " + hex(size_) + "; the file may be truncated");
    }
    // Both fit now: neither is above the size of something that is in memory or behind an off_t.
    if (offset <= head_.size() && length <= head_.size() - offset) {
        return head_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
    }
    if (length > read_budget - bytes_read_) too_large(offset, std::string(what) + " is larger than interlock reads");
    bytes_read_ += length;
    buffer.resize(static_cast<std::size_t>(length));
    const auto got = file_ == nullptr ? 0 : file_->read(offset, buffer);
    if (got < 0) {
        throw Failure({Errc::unreadable, "cannot read " + quoted(name_) + ": " +
                                             std::generic_category().message(static_cast<int>(-got))});
    }
    if (static_cast<std::uint64_t>(got) != length) malformed(offset, "the file shrank while it was read");
    return buffer;
}

void ByteSource::malformed(std::uint64_t offset, const std::string& reason) const {
    throw Failure({Errc::malformed_file,
                   quoted(name_) + " is not a usable shared library: at offset " + hex(offset) + ": " + reason});
}

void ByteSource::too_large(std::uint64_t offset, const std::string& reason) const {
    throw Failure({over_limit_, quoted(name_) + " cannot be read: at offset " + hex(offset) + ": " + reason});
}

}  // namespace interlock
