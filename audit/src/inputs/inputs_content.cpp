// inputs_content.cpp: where the bytes lie: files in memory are sealed, so that nobody can change them under who judges
// them; temporary files are opened anew without the right to write. What does not fit into the budget waits, and helps
// with the work meanwhile.
//
// SPDX-License-Identifier: MIT
#include "inputs/inputs_content.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <system_error>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "inputs/inputs_paths.hpp"

namespace interlock::auditing::inputs {
namespace {

/// What each file costs beside its bytes, so that very many small ones cannot pile up.
constexpr std::uint64_t least_share = 64 * 1024;

std::string reason(int number) { return std::generic_category().message(number); }

Failure temporary_failed(const std::string& what, int number) {
    return Failure({Errc::io_error, "cannot " + what + " a temporary file for a member of an archive: " +
                                        reason(number) + "; TMPDIR chooses another folder"});
}

/// Bytes that lie in memory.
class MemoryStream : public ByteStream {
public:
    explicit MemoryStream(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    std::size_t read(std::span<std::uint8_t> buffer) override {
        const std::size_t part = std::min(buffer.size(), bytes_.size());
        std::ranges::copy(bytes_.first(part), buffer.begin());
        bytes_ = bytes_.subspan(part);
        return part;
    }

private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace

Error too_large(const std::string& name, std::uint64_t limit) {
    return {Errc::unsupported, quoted(name, 4096) + " is not read: it is larger than " + std::to_string(limit) +
                                   " bytes, the limit binary_size; raise it if you trust the file"};
}

bool MemoryBudget::fits(std::uint64_t bytes) const noexcept {
    const std::uint64_t limit = limit_ - std::min(limit_, fixed_);
    return tickets_ == 0 || (tickets_ < tickets_allowed_ && used_ <= limit && bytes <= limit - used_);
}

std::size_t MemoryBudget::descriptors_to_spare() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 4 * most_tickets) return most_tickets;
    rlim_t used = 0;
    for (int number = 0; number < static_cast<int>(limit.rlim_cur); ++number) used += ::fcntl(number, F_GETFD) >= 0;
    // The other half is for archives, for the processes that judge, and for the libraries that they are given.
    const rlim_t half = (limit.rlim_cur - used) / 2;
    return std::clamp<std::size_t>(half > 8 ? half - 8 : 0, 1, most_tickets);
}

MemoryBudget::Ticket MemoryBudget::reserve(std::uint64_t bytes) {
    bytes = std::max(bytes, least_share);
    std::unique_lock lock(mutex_);
    while (!fits(bytes)) {
        lock.unlock();
        const bool helped = help_ && help_();
        lock.lock();
        // Nobody else reserves: all that is in flight is being worked on, and is going to be released.
        if (!helped) released_.wait(lock, [&] { return fits(bytes); });
    }
    used_ += bytes;
    ++tickets_;
    peak_ = std::max(peak_, used_);
    return {this, bytes};
}

void MemoryBudget::release(std::uint64_t bytes, std::size_t tickets) noexcept {
    const std::lock_guard lock(mutex_);
    used_ -= bytes;
    tickets_ -= tickets;
    released_.notify_all();
}

void MemoryBudget::set_fixed(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    fixed_ = bytes;
}

std::uint64_t MemoryBudget::in_flight() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

std::uint64_t MemoryBudget::peak() const {
    const std::lock_guard lock(mutex_);
    return peak_;
}

namespace {

/// Nobody can change such memory any more, whoever it is handed to. False for a temporary file, and if somebody is able
/// to change it at this moment.
bool seal(int memory) {
    return ::fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

}  // namespace

Result<OpenedFile> open_regular(const std::filesystem::path& path) {
    const std::string& name = path.native();
    if (name.find('\0') != name.npos)
        return {Errc::not_found, "no such file: " + quoted(name, 4096) + " (a path cannot contain a zero byte)"};
    const auto cannot = [&](const std::string& why) {
        return Error{Errc::unreadable, "cannot read " + quoted(name, 4096) + ": " + why};
    };
    base::Descriptor descriptor = open_path(name, base::flags_for_reading());
    if (!descriptor) {
        if (errno == ENOENT || errno == ENOTDIR) return {Errc::not_found, "no such file: " + quoted(name, 4096)};
        return cannot(reason(errno));
    }
    base::Opened opened = base::looked_at(std::move(descriptor));
    if (!opened.descriptor) return cannot(reason(opened.error));
    const mode_t mode = opened.status.st_mode;
    if (!opened.is_regular())
        return cannot("it is " +
                      std::string(S_ISDIR(mode) || S_ISFIFO(mode) ? base::kind_of_file(mode) : "a device or socket"));
    return OpenedFile{std::move(opened.descriptor), static_cast<std::uint64_t>(opened.status.st_size)};
}

base::Descriptor open_memory() {
    base::Descriptor memory(::memfd_create("interlock", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    return memory ? std::move(memory) : open_temporary();
}

base::Descriptor open_temporary() {
    const char* folder = std::getenv("TMPDIR");
    std::string name = folder != nullptr && *folder != '\0' ? folder : "/tmp";
    base::Descriptor file(::open(name.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600));
    if (file) return file;
    // Not every file system can do it without a name.
    name += "/interlock-XXXXXX";
    file = base::Descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!file) throw temporary_failed("make", errno);
    ::unlink(name.c_str());
    return file;
}

base::Descriptor for_reading(base::Descriptor file) {
    // A file in memory alone can be sealed. EBUSY: somebody has it mapped for writing; the kernel says so too of pages
    // that it holds for a moment itself, as it does on a busy machine.
    if (seal(file.get())) return file;
    const std::string name = "/proc/self/fd/" + std::to_string(file.get());
    base::Descriptor again(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    return again ? std::move(again) : std::move(file);
}

base::Descriptor out_of_reach(base::Descriptor file, std::uint64_t size, const std::string& name) {
    if (seal(file.get())) return file;
    base::Descriptor copy = open_memory();
    FileStream stream(file.get(), 0, size, name);
    if (spill(stream, copy.get(), 0, size, name) != size)
        throw Failure({Errc::unreadable, "cannot read " + quoted(name, 4096) + ": it shrank while it was copied"});
    return for_reading(std::move(copy));
}

namespace {

/// Writes at most `most` bytes of the stream at `offset`; returns how many there were.
std::uint64_t store(ByteStream& stream, int descriptor, std::uint64_t offset, std::uint64_t most) {
    constexpr std::uint64_t piece = 256 * 1024;
    const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(piece);
    std::uint64_t stored = 0;
    while (stored < most) {
        const std::size_t got = stream.read({buffer.get(), std::min(piece, most - stored)});
        if (got == 0) break;
        for (std::size_t done = 0; done < got;) {
            const ssize_t put =
                ::pwrite(descriptor, buffer.get() + done, got - done, static_cast<off_t>(offset + stored + done));
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) throw temporary_failed("write to", put < 0 ? errno : ENOSPC);
            done += static_cast<std::size_t>(put);
        }
        stored += got;
    }
    return stored;
}

}  // namespace

std::uint64_t spill(ByteStream& stream, int descriptor, std::uint64_t written, std::uint64_t limit,
                    const std::string& name) {
    const std::uint64_t most = limit - written;
    written += store(stream, descriptor, written, most + (most < UINT64_MAX ? 1 : 0));
    if (written > limit) throw Failure(too_large(name, limit));
    return written;
}

Mapping Mapping::of_file(int descriptor, std::uint64_t size) {
    Mapping mapping;
    if (size == 0) return mapping;
    void* place = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (place == MAP_FAILED) throw std::bad_alloc();
    mapping.data_ = static_cast<std::uint8_t*>(place);
    mapping.size_ = size;
    return mapping;
}

Mapping::~Mapping() {
    if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Content> Content::of_disk_file(const std::filesystem::path& path, std::uint64_t size_limit) {
    auto file = open_regular(path);
    if (!file) return std::move(file).error();
    if (file->size > size_limit) return too_large(path.native(), size_limit);
    Content content;
    content.size_ = file->size;
    content.file_ = std::move(file->descriptor);
    return content;
}

Content Content::of_stream(ByteStream& stream, std::optional<std::uint64_t> size, std::uint64_t size_limit,
                           const std::string& name, MemoryBudget& memory) {
    if (size && *size > size_limit) throw Failure(too_large(name, size_limit));
    Content content;
    // One byte more, to see that the content ends where it should.
    const std::uint64_t expected = std::min(size.value_or(in_memory_limit - 1), size_limit) + 1;
    content.ticket_ = memory.reserve(std::min(expected, in_memory_limit));
    if (expected <= in_memory_limit) {
        base::Descriptor memory_file = open_memory();
        content.size_ = store(stream, memory_file.get(), 0, expected);
        content.file_ = for_reading(std::move(memory_file));
        if (content.size_ < expected) return content;
    }
    // Larger than it may be in memory, or than it claimed to be.
    base::Descriptor large = open_temporary();
    std::uint64_t written = 0;
    if (content.file_) {
        FileStream begun(content.file_.get(), 0, content.size_, name);
        written = spill(begun, large.get(), 0, size_limit, name);
    }
    content.size_ = spill(stream, large.get(), written, size_limit, name);
    content.file_ = for_reading(std::move(large));
    return content;
}

Content Content::of_stream(ByteStream& stream, std::uint64_t size, const std::string& name) {
    base::Descriptor file = size < in_memory_limit ? open_memory() : open_temporary();
    const std::uint64_t written = spill(stream, file.get(), 0, size, name);
    return of_descriptor(for_reading(std::move(file)), written);
}

Content Content::of_descriptor(base::Descriptor file, std::uint64_t size) {
    Content content;
    content.file_ = std::move(file);
    content.size_ = size;
    return content;
}

Content Content::of_bytes(std::span<const std::uint8_t> bytes) {
    MemoryStream stream(bytes);
    Content content;
    base::Descriptor memory = open_memory();
    content.size_ = store(stream, memory.get(), 0, bytes.size());
    content.file_ = for_reading(std::move(memory));
    return content;
}

std::string Content::head(std::size_t count) const {
    std::string bytes(std::min<std::uint64_t>(count, size_), '\0');
    FileStream stream(file_.get(), 0, bytes.size(), "a file");
    bytes.resize(stream.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
    return bytes;
}

std::string Content::sha256() const {
    auto text = sha256_file("/proc/self/fd/" + std::to_string(file_.get()));
    if (!text) throw Failure(text.error());
    return *text;
}

}  // namespace interlock::auditing::inputs
