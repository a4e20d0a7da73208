// inputs_content.hpp: the bytes of one file while it is audited, and the account of the memory that all of them take.
//
// Who judges a file maps it, in a process of its own (worker.hpp): a file that is truncated under a mapping kills the
// process, and compilers and installers do rewrite files in place. So here is a descriptor: of the file on disk, or,
// for a member of an archive, of memory, or of a temporary file when it is larger than 64 MiB; both have no name.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <interlock/result.hpp>

#include "base/descriptor.hpp"
#include "inputs/archive_stream.hpp"

namespace interlock::auditing::inputs {

inline constexpr std::uint64_t in_memory_limit = 64ull << 20;

/// Bytes in flight, between the reader of the inputs and those who audit them. Outlives its tickets.
class MemoryBudget {
public:
    explicit MemoryBudget(std::uint64_t limit) : limit_(limit), tickets_allowed_(descriptors_to_spare()) {}

    /// A share of the budget; gives it back.
    class Ticket {
    public:
        Ticket() = default;
        Ticket(Ticket&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
        Ticket& operator=(Ticket&& other) noexcept {
            std::swap(budget_, other.budget_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~Ticket() {
            if (budget_ != nullptr) budget_->release(bytes_, 1);
        }
        std::uint64_t bytes() const noexcept { return bytes_; }
        /// Gives back what is more than that.
        void keep(std::uint64_t bytes) noexcept {
            if (budget_ == nullptr || bytes >= bytes_) return;
            budget_->release(bytes_ - bytes, 0);
            bytes_ = bytes;
        }

    private:
        friend MemoryBudget;
        Ticket(MemoryBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {}
        MemoryBudget* budget_ = nullptr;
        std::uint64_t bytes_ = 0;
    };

    /// What has a share may have a descriptor, too. A process can have 1024 unless somebody asks for more or less; then
    /// there are fewer shares than this.
    static constexpr std::size_t most_tickets = 256;

    /// Waits until `bytes` are free, or all is: a share that is larger than the budget is had alone. And until there
    /// are fewer than there may be. Only one thread reserves, and it holds no ticket meanwhile, or it could wait for
    /// itself.
    Ticket reserve(std::uint64_t bytes);
    /// What the waiting thread does instead of waiting: audit one of the files that it has read. False: there is none.
    void set_help(std::function<bool()> help) { help_ = std::move(help); }

    /// What somebody else holds for long: the directory of an open archive.
    void set_fixed(std::uint64_t bytes);

    std::uint64_t in_flight() const;
    std::uint64_t peak() const;

private:
    void release(std::uint64_t bytes, std::size_t tickets) noexcept;
    bool fits(std::uint64_t bytes) const noexcept;
    static std::size_t descriptors_to_spare() noexcept;

    mutable std::mutex mutex_;
    std::condition_variable released_;
    std::uint64_t limit_, fixed_ = 0, used_ = 0, peak_ = 0;
    std::size_t tickets_ = 0, tickets_allowed_;
    std::function<bool()> help_;
};

struct OpenedFile {
    base::Descriptor descriptor;
    std::uint64_t size = 0;
};
/// A regular file for reading; never waits for a FIFO or device. Errors: not_found, unreadable.
Result<OpenedFile> open_regular(const std::filesystem::path& path);
/// A file in memory, or, where the system has none, open_temporary(). Throws Failure with io_error.
base::Descriptor open_memory();
/// A temporary file without a name, in $TMPDIR or /tmp. Throws Failure with io_error.
base::Descriptor open_temporary();
/// The same file in memory or temporary file, but only for reading, whoever it is handed to; as it was, where the
/// system cannot say it.
base::Descriptor for_reading(base::Descriptor file);
/// The same for what somebody else could write to: it, or a copy of its `size` bytes where somebody may be able to at
/// this moment. Throws Failure with io_error, and with unreadable when it has fewer bytes.
base::Descriptor out_of_reach(base::Descriptor file, std::uint64_t size, const std::string& name);
/// Writes the rest of `stream` behind the `written` bytes of the file; returns the size of the file. Throws what the
/// stream throws; Failure with io_error; with unsupported for more than `limit` bytes in all.
std::uint64_t spill(ByteStream& stream, int descriptor, std::uint64_t written, std::uint64_t limit,
                    const std::string& name);

/// What is said of a binary that has more bytes than the limit.
Error too_large(const std::string& name, std::uint64_t limit);

/// A file in memory.
class Mapping {
public:
    Mapping() = default;
    /// Private, for reading. Throws std::bad_alloc.
    static Mapping of_file(int descriptor, std::uint64_t size);
    Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Mapping();
    std::span<const std::uint8_t> bytes() const noexcept { return {data_, data_ == nullptr ? 0 : size_}; }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

/// All bytes of one file, until it is destroyed.
class Content {
public:
    Content() = default;
    /// A file on disk. Errors: not_found, unreadable, unsupported (too large).
    static Result<Content> of_disk_file(const std::filesystem::path& path, std::uint64_t size_limit);
    /// The rest of a stream that is expected to have `size` bytes; its share of the memory is kept until the end of the
    /// content. Throws.
    static Content of_stream(ByteStream& stream, std::optional<std::uint64_t> size, std::uint64_t size_limit,
                             const std::string& name, MemoryBudget& memory);
    /// A stream that has `size` bytes, of which somebody else keeps account. Throws.
    static Content of_stream(ByteStream& stream, std::uint64_t size, const std::string& name);
    /// What can be read through a descriptor.
    static Content of_descriptor(base::Descriptor file, std::uint64_t size);
    /// Bytes in memory. Throws Failure with io_error.
    static Content of_bytes(std::span<const std::uint8_t> bytes);

    /// Whole from the beginning; its position is of no meaning.
    const base::Descriptor& file() const noexcept { return file_; }
    std::uint64_t size() const noexcept { return size_; }
    /// At most the first `count` bytes. Throws Failure with unreadable.
    std::string head(std::size_t count) const;
    /// Throws Failure with unreadable.
    std::string sha256() const;

private:
    base::Descriptor file_;
    std::uint64_t size_ = 0;
    MemoryBudget::Ticket ticket_;
};

}  // namespace interlock::auditing::inputs
