// archive_zip_member.cpp: the content of a member of a zip file. What fits into memory is unpacked at once, by a
// library that is twice as fast as those that can do it piece by piece.
//
// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <libdeflate.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include <interlock/escape.hpp>

#include "inputs/archive_zip.hpp"

namespace interlock::auditing::inputs {
namespace {

constexpr std::uint16_t deflate = 8, bzip2 = 12;
constexpr std::size_t header_size = 30;
/// Deflate makes nothing larger than that, unless somebody is up to something: then it goes piece by piece.
constexpr std::uint64_t most_growth = 256 * 1024;

[[noreturn]] void damaged(const std::string& path, const std::string& why) {
    throw Failure({Errc::malformed_file, "cannot read " + quoted(path, 4096) + ": " + why});
}

void check_crc(const ZipMember& member, std::uint32_t crc, const std::string& path) {
    if (crc == member.crc) return;
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "ZIP bad CRC: 0x%x should be 0x%x", crc, member.crc);
    damaged(path, text.data());
}

/// Where the packed bytes are: behind a header that has a name and a field of its own. What else it says does not
/// count, but for the name: that is how zipfile knows that it is the right one.
std::uint64_t start_of_data(const OpenedFile& archive, const ZipMember& member, const std::string& path) {
    if (!member.unreadable.empty())
        throw Failure({Errc::unsupported, "cannot read " + quoted(path, 4096) + ": " + member.unreadable});
    FileStream file(archive.descriptor.get(), 0, archive.size, path);
    std::array<std::uint8_t, header_size> header;
    file.seek(member.offset);
    if (file.fill(header) != header.size()) damaged(path, "it is not within the archive, which may be truncated");
    if (std::memcmp(header.data(), "PK\3\4", 4) != 0) damaged(path, "its header is not where the directory says");
    std::string name(static_cast<std::size_t>(zip_number(&header[26], 2)), '\0');
    if (name.size() != member.stored_name.size() ||
        file.fill({reinterpret_cast<std::uint8_t*>(name.data()), name.size()}) != name.size() ||
        name != member.stored_name)
        damaged(path, "it has another name in its header than in the directory");
    const std::uint64_t start = member.offset + header_size + name.size() + zip_number(&header[28], 2);
    if (start > archive.size || member.packed > archive.size - start)
        damaged(path, "it is not within the archive, which may be truncated");
    if (start + member.packed > member.end) damaged(path, "it overlaps the next member, or the directory");
    return start;
}

/// Deflate, piece by piece.
class InflateStream : public ByteStream {
public:
    InflateStream(ByteStream& packed, const std::string& path) : packed_(packed), path_(path) {
        if (::inflateInit2(&zlib_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    }
    InflateStream(const InflateStream&) = delete;
    InflateStream& operator=(const InflateStream&) = delete;
    ~InflateStream() override { ::inflateEnd(&zlib_); }

    std::size_t read(std::span<std::uint8_t> buffer) override {
        zlib_.next_out = buffer.data();
        zlib_.avail_out = static_cast<unsigned>(std::min<std::size_t>(buffer.size(), 1u << 30));
        const unsigned wanted = zlib_.avail_out;
        while (!ended_ && wanted > 0 && zlib_.avail_out == wanted) {
            if (zlib_.avail_in == 0) {
                zlib_.next_in = input_.data();
                zlib_.avail_in = static_cast<unsigned>(packed_.read(input_));
                if (zlib_.avail_in == 0) damaged(path_, "its compressed data end too early");
            }
            const int status = ::inflate(&zlib_, Z_NO_FLUSH);
            if (status == Z_MEM_ERROR) throw std::bad_alloc();
            if (status != Z_OK && status != Z_STREAM_END) damaged(path_, "its compressed data are damaged");
            ended_ = status == Z_STREAM_END;
        }
        return wanted - zlib_.avail_out;
    }

private:
    ByteStream& packed_;
    const std::string& path_;
    z_stream zlib_{};
    bool ended_ = false;
    std::array<std::uint8_t, 64 * 1024> input_;
};

/// For a decompressor of which the output is counted behind it.
const AuditBudget& no_limits() {
    static const AuditBudget budget = [] {
        AuditBudget unlimited;
        unlimited.archive_size = unlimited.archive_ratio = UINT64_MAX;
        return unlimited;
    }();
    return budget;
}

/// Memory that is the system's again as soon as it is not needed: malloc() keeps tens of megabytes for later.
class Pages {
public:
    explicit Pages(std::uint64_t size) : Pages(-1, size, MAP_PRIVATE | MAP_ANONYMOUS) {}
    /// The bytes of a file, for writing.
    static Pages of_file(int descriptor, std::uint64_t size) { return {descriptor, size, MAP_SHARED}; }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    ~Pages() {
        if (data_ != MAP_FAILED) ::munmap(data_, size_);
    }
    std::span<std::uint8_t> bytes() const noexcept { return {static_cast<std::uint8_t*>(data_), size_}; }

private:
    Pages(int descriptor, std::uint64_t size, int flags)
        : data_(size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, descriptor, 0)),
          size_(size) {
        if (data_ == MAP_FAILED && size > 0) throw std::bad_alloc();
    }

    void* data_;
    std::uint64_t size_;
};

struct FreeDecompressor {
    void operator()(libdeflate_decompressor* decompressor) const noexcept {
        libdeflate_free_decompressor(decompressor);
    }
};

}  // namespace

bool fits_at_once(const ZipMember& member) noexcept {
    return member.method == deflate && member.unpacked > 0 && member.unpacked < in_memory_limit &&
           member.packed <= member.unpacked + most_growth;
}

base::Descriptor room_for(const ZipMember& member) {
    base::Descriptor memory = open_memory();
    // With all of it reserved: what is not there when it is written to would end the process.
    int failed;
    do {
        failed = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(member.unpacked));
    } while (failed == EINTR);
    if (failed != 0) throw std::bad_alloc();
    return memory;
}

void unpack_into(const PackedMember& packed, int room) {
    const ZipMember& member = packed.member;
    const std::uint64_t start = start_of_data(*packed.archive, member, packed.path);
    const Pages input(member.packed);
    FileStream file(packed.archive->descriptor.get(), start, member.packed, packed.path);
    if (file.fill(input.bytes()) != member.packed) damaged(packed.path, "the archive shrank while it was read");
    const Pages output = Pages::of_file(room, member.unpacked);
    const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(libdeflate_alloc_decompressor());
    if (!decompressor) throw std::bad_alloc();
    switch (libdeflate_deflate_decompress(decompressor.get(), input.bytes().data(), member.packed,
                                          output.bytes().data(), member.unpacked, nullptr)) {
        case LIBDEFLATE_SUCCESS:
            break;
        case LIBDEFLATE_SHORT_OUTPUT:
            damaged(packed.path, "it is smaller than the directory says");
        case LIBDEFLATE_INSUFFICIENT_SPACE:
            damaged(packed.path, "it is larger than the directory says");
        default:
            damaged(packed.path, "its compressed data are damaged");
    }
    check_crc(member, libdeflate_crc32(0, output.bytes().data(), member.unpacked), packed.path);
}

ZipMemberStream::ZipMemberStream(const OpenedFile& archive, const ZipMember& member, std::string path, Usage* usage)
    : archive_(archive), member_(member), path_(std::move(path)), usage_(usage), counted_(no_limits(), "", 1) {}

ZipMemberStream::~ZipMemberStream() = default;

void ZipMemberStream::begin() {
    const std::uint64_t start = start_of_data(archive_, member_, path_);
    packed_ = std::make_unique<FileStream>(archive_.descriptor.get(), start, member_.packed, path_);
    if (member_.method == deflate)
        unpacked_ = std::make_unique<InflateStream>(*packed_, path_);
    else if (member_.method == bzip2)
        unpacked_ = unpacked(*packed_, Compression::bzip2, path_, counted_);
    else
        unpacked_ = std::make_unique<FileStream>(*packed_);
    if (member_.unpacked == 0) count({});
}

std::size_t ZipMemberStream::read(std::span<std::uint8_t> buffer) {
    if (!unpacked_) begin();
    if (buffer.empty() || position_ == member_.unpacked) return 0;
    const std::uint64_t left = member_.unpacked - position_;
    if (buffer.size() > left) buffer = buffer.first(static_cast<std::size_t>(left));
    const std::size_t got = unpacked_->read(buffer);
    if (got == 0) damaged(path_, "it is smaller than the directory says");
    count(buffer.first(got));
    return got;
}

void ZipMemberStream::count(std::span<const std::uint8_t> bytes) {
    if (usage_ != nullptr) usage_->count_unpacked(bytes.size());
    crc_ = libdeflate_crc32(crc_, bytes.data(), bytes.size());
    position_ += bytes.size();
    if (position_ < member_.unpacked) return;
    std::uint8_t more = 0;
    if (unpacked_->read({&more, 1}) > 0) damaged(path_, "it is larger than the directory says");
    check_crc(member_, crc_, path_);
}

std::uint64_t memory_to_unpack(const ZipMember& member) noexcept {
    if (fits_at_once(member)) return member.unpacked + member.packed;
    return member.unpacked < in_memory_limit ? member.unpacked : 0;
}

Content unpack(const PackedMember& packed) {
    if (fits_at_once(packed.member)) {
        base::Descriptor room = room_for(packed.member);
        unpack_into(packed, room.get());
        return Content::of_descriptor(std::move(room), packed.member.unpacked);
    }
    ZipMemberStream stream(*packed.archive, packed.member, packed.path, nullptr);
    return Content::of_stream(stream, packed.member.unpacked, packed.path);
}

}  // namespace interlock::auditing::inputs
