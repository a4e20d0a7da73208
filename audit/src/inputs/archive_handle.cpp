// archive_handle.cpp: the callbacks of libarchive. What is read for one header is limited, and an exception is kept
// until it can be thrown past the C code.
//
// SPDX-License-Identifier: MIT
#include "inputs/archive_handle.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

#include <interlock/escape.hpp>

namespace interlock::auditing::inputs {
namespace {

constexpr std::size_t buffer_size = 128 * 1024;

}  // namespace

ArchiveHandle::ArchiveHandle(ByteStream& stream, std::string name)
    : stream_(stream),
      name_(std::move(name)),
      archive_(archive_read_new()),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)) {
    if (archive_ == nullptr) throw std::bad_alloc();
}

ArchiveHandle::~ArchiveHandle() { archive_read_free(archive_); }

void ArchiveHandle::open(FileStream* file) {
    file_ = file;
    archive_read_set_callback_data(archive_, this);
    archive_read_set_read_callback(archive_, read_callback);
    archive_read_set_skip_callback(archive_, skip_callback);
    if (file_ != nullptr) archive_read_set_seek_callback(archive_, seek_callback);
    check(archive_read_open1(archive_));
}

void ArchiveHandle::fail() const {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    const char* text = archive_error_string(archive_);
    throw Failure({Errc::malformed_file, "cannot read " + quoted(name_, 4096) + ": " +
                                             (text == nullptr ? std::string("the archive is damaged") : escape(text))});
}

la_ssize_t ArchiveHandle::read_callback(archive* reader, void* self, const void** buffer) {
    auto& handle = *static_cast<ArchiveHandle*>(self);
    try {
        if (handle.allowance_ == 0) {
            archive_set_error(reader, EFBIG, "a header is larger than interlock reads");
            return -1;
        }
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(handle.piece_, handle.allowance_));
        const std::size_t got = handle.stream_.read({handle.buffer_.get(), size});
        handle.piece_ = std::min(2 * handle.piece_, buffer_size);
        if (handle.allowance_ != UINT64_MAX) handle.allowance_ -= got;
        *buffer = handle.buffer_.get();
        return static_cast<la_ssize_t>(got);
    } catch (...) {
        handle.thrown_ = std::current_exception();
        archive_set_error(reader, EIO, "reading failed");
        return -1;
    }
}

la_int64_t ArchiveHandle::skip_callback(archive*, void* self, la_int64_t bytes) {
    auto& handle = *static_cast<ArchiveHandle*>(self);
    try {
        return bytes <= 0 ? 0 : static_cast<la_int64_t>(handle.stream_.skip(static_cast<std::uint64_t>(bytes)));
    } catch (...) {
        handle.thrown_ = std::current_exception();
        return ARCHIVE_FATAL;
    }
}

la_int64_t ArchiveHandle::seek_callback(archive*, void* self, la_int64_t offset, int whence) {
    auto& handle = *static_cast<ArchiveHandle*>(self);
    FileStream& file = *handle.file_;
    handle.piece_ = first_piece;
    const auto size = static_cast<la_int64_t>(file.size());
    const la_int64_t base = whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? static_cast<la_int64_t>(file.position())
                                                 : size;
    // Offsets come from the file; none is larger than 2^63 in amount, but the sum may be.
    if (offset > size - base || offset < -base) return ARCHIVE_FATAL;
    file.seek(static_cast<std::uint64_t>(base + offset));
    return static_cast<la_int64_t>(file.position());
}

}  // namespace interlock::auditing::inputs
