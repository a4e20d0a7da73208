// archive_stream.cpp: libarchive can put decompressors in front of its readers by itself; it is not let to, as it
// stacks up to 25 of them, each with its window, and unpacks what is skipped without asking.
//
// SPDX-License-Identifier: MIT
#include "inputs/archive_stream.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <interlock/escape.hpp>

#include "inputs/archive_handle.hpp"

namespace interlock::auditing::inputs {
namespace {

/// Below this many bytes no ratio is suspicious: a file of zeros in a small archive.
constexpr std::uint64_t harmless_size = 64ull << 20;

/// libarchive's raw format behind one of its filters.
class FilterStream : public ByteStream {
public:
    FilterStream(ByteStream& packed, int filter, const std::string& name, Usage& usage)
        : handle_(packed, name), usage_(usage) {
        handle_.check(archive_read_append_filter(handle_.get(), filter));
        handle_.check(archive_read_set_format(handle_.get(), ARCHIVE_FORMAT_RAW));
        handle_.open();
        archive_entry* entry = nullptr;
        const int status = archive_read_next_header(handle_.get(), &entry);
        if (status == ARCHIVE_EOF)
            ended_ = true;
        else
            handle_.check(status);
    }

    std::size_t read(std::span<std::uint8_t> buffer) override {
        if (ended_) return 0;
        const la_ssize_t got = archive_read_data(handle_.get(), buffer.data(), buffer.size());
        if (got < 0) handle_.fail();
        usage_.count_unpacked(static_cast<std::uint64_t>(got));
        return static_cast<std::size_t>(got);
    }

private:
    ArchiveHandle handle_;
    Usage& usage_;
    bool ended_ = false;
};

}  // namespace

void Usage::stop(const std::string& what, const char* limit, std::uint64_t value) const {
    throw LimitReached({Errc::unsupported, quoted(path_, 4096) + " is not read any further: " + what + "; the limit " +
                                               limit + " is " + std::to_string(value) +
                                               ": raise it if you trust the file"});
}

void Usage::count_entry() {
    if (++entries_ > budget_->archive_entries)
        stop("it has too many entries", "archive_entries", budget_->archive_entries);
}

void Usage::count_entries_ahead(std::uint64_t entries) const {
    if (entries > budget_->archive_entries - std::min(entries_, budget_->archive_entries))
        stop("it has too many entries", "archive_entries", budget_->archive_entries);
}

void Usage::count_unpacked(std::uint64_t bytes) {
    unpacked_ += bytes;
    if (unpacked_ > budget_->archive_size) stop("it unpacks to too much", "archive_size", budget_->archive_size);
    if (unpacked_ > harmless_size && unpacked_ / std::max<std::uint64_t>(packed_, 1) >= budget_->archive_ratio)
        stop("it unpacks to " + std::to_string(unpacked_ >> 20) + " MiB and more, from " + std::to_string(packed_) +
                 " bytes",
             "archive_ratio", budget_->archive_ratio);
}

void Usage::go_on_from(std::uint64_t entries, std::uint64_t unpacked) {
    entries_ = entries;
    if (entries_ > budget_->archive_entries)
        stop("it has too many entries", "archive_entries", budget_->archive_entries);
    unpacked_ = 0;
    count_unpacked(unpacked);
}

void Usage::check_nesting(unsigned depth, const std::string& path) const {
    if (depth <= budget_->archive_nesting) return;
    throw Failure({Errc::unsupported, quoted(path, 4096) + " is not read: it is an archive inside of " +
                                          std::to_string(depth) + " others; the limit archive_nesting is " +
                                          std::to_string(budget_->archive_nesting) +
                                          ": raise it if you trust the file"});
}

std::size_t ByteStream::fill(std::span<std::uint8_t> buffer) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
        const std::size_t got = read(buffer.subspan(filled));
        if (got == 0) break;
        filled += got;
    }
    return filled;
}

std::size_t FileStream::read(std::span<std::uint8_t> buffer) {
    const std::uint64_t left = size_ - position_;
    if (buffer.size() > left) buffer = buffer.first(static_cast<std::size_t>(left));
    if (buffer.empty()) return 0;
    ssize_t got;
    do {
        got = ::pread(descriptor_, buffer.data(), buffer.size(), static_cast<off_t>(start_ + position_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        throw Failure(
            {Errc::io_error, "cannot read " + quoted(name_, 4096) + ": " + std::generic_category().message(errno)});
    }
    position_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
}

std::uint64_t FileStream::skip(std::uint64_t bytes) {
    bytes = std::min(bytes, size_ - position_);
    position_ += bytes;
    return bytes;
}

PeekedStream::PeekedStream(ByteStream& rest)
    : rest_(rest), head_(std::make_unique_for_overwrite<std::uint8_t[]>(head_size)) {
    filled_ = rest.fill({head_.get(), head_size});
}

std::size_t PeekedStream::read(std::span<std::uint8_t> buffer) {
    if (given_ == filled_) return rest_.read(buffer);
    const std::size_t size = std::min(buffer.size(), filled_ - given_);
    std::memcpy(buffer.data(), head_.get() + given_, size);
    given_ += size;
    return size;
}

std::uint64_t PeekedStream::skip(std::uint64_t bytes) {
    if (given_ == filled_) return rest_.skip(bytes);
    const std::uint64_t size = std::min<std::uint64_t>(bytes, filled_ - given_);
    given_ += static_cast<std::size_t>(size);
    return size;
}

std::unique_ptr<ByteStream> unpacked(ByteStream& packed, Compression compression, const std::string& name,
                                     Usage& usage) {
    switch (compression) {
        case Compression::none:
            break;
        case Compression::gzip:
            return std::make_unique<FilterStream>(packed, ARCHIVE_FILTER_GZIP, name, usage);
        case Compression::bzip2:
            return std::make_unique<FilterStream>(packed, ARCHIVE_FILTER_BZIP2, name, usage);
        case Compression::zstd:
            return std::make_unique<FilterStream>(packed, ARCHIVE_FILTER_ZSTD, name, usage);
        case Compression::xz:
            return unpacked_xz(packed, name, usage);
    }
    throw Failure({Errc::internal, quoted(name) + " is not compressed"});
}

}  // namespace interlock::auditing::inputs
