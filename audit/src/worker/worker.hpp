// worker.hpp: processes that judge binaries. What a hostile file can break (readers, the emulator, a mapping of a file
// that is cut short), or take over (decompressors), is done in there: the process may die of it, and the audit goes on;
// it has no rights that could be misused (confinement.hpp). docs/decisions/0011 says why.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "inputs/inputs_content.hpp"
#include "inputs/unpacker.hpp"
#include "verdict/binary.hpp"
#include "worker/channel.hpp"

namespace interlock::auditing::worker {

/// What goes to the process that judges: a file, and the libraries that come with it.
struct Question {
    const base::Descriptor& file;
    std::uint64_t size = 0;
    verdict::BinaryContext context;  ///< with the names of the libraries
    struct Library {
        const base::Descriptor* file;
        std::uint64_t size;
    };
    std::vector<Library> libraries{};  ///< in the order of the names
};
/// What is said of a file that was not judged before AuditOptions::time_limit.
Error not_in_time(const std::string& path, const AuditOptions& options);

/// One process. Not for several threads at once. Forks, when it is made and after each death of the process.
class Worker {
public:
    using Time = std::chrono::steady_clock::time_point;
    /// `options` outlives it. Throws Failure with io_error when there can be no process. Nothing is waited for beyond
    /// `deadline`.
    explicit Worker(const AuditOptions& options, Time deadline = Time::max());
    /// Ends the process.
    ~Worker();
    Worker(Worker&& other) noexcept;
    Worker& operator=(Worker&&) = delete;
    /// Leaves the process to somebody else: the parent, in the child of a fork().
    void forget() noexcept;

    /// As audit_binary(), of the first bytes of the files, which are mapped by the process. An init function that
    /// kills it is not run a second time, and its module is undetermined. Errors: also unreadable, when the process
    /// dies all the same; unreadable and internal for exceptions of audit_binary(). Throws as the constructor.
    Result<std::vector<BinaryAudit>> audit(Question question);
    /// The same with so much memory for what is emulated; nullopt where it wants more.
    std::optional<Result<std::vector<BinaryAudit>>> audit(Question question, std::uint64_t memory);

    // For what is unpacked in the process (unpack.cpp). False: the process has died, or hangs; end() says how.

    struct Message {
        Task task;
        struct File {
            int descriptor;
            std::uint64_t size;
        };
        std::vector<File> files;  ///< at least one
        std::string text;
        std::uint64_t memory = 0;  ///< FileHead::memory
    };
    /// Begins a request. Throws as the constructor.
    bool begin(const Message& message);
    bool send(const void* data, std::size_t size);
    /// Waits for all of it, but not for ever.
    bool receive(void* data, std::size_t size);
    /// How the process ended, as the end of a sentence: "was killed by signal 11 (Segmentation fault)".
    std::string end();

private:
    void start();
    bool ask(const Question& question, std::uint64_t memory, std::string& answer);

    const AuditOptions* options_;
    Time deadline_;
    base::Descriptor socket_;
    pid_t process_ = -1;
    bool too_slow_ = false;
};

/// Workers for the threads of one audit, which unpack for it as well. All functions may be called from any thread.
class Workers final : public inputs::Unpacker {
public:
    /// `at_once`: how many files are judged at the same time, at most; they share the memory for what is emulated.
    explicit Workers(const AuditOptions& options, Worker::Time deadline = Worker::Time::max(), unsigned at_once = 1);
    /// How many that may be where there are so many threads.
    static unsigned most_at_once(const AuditOptions& options, unsigned threads) noexcept;
    /// Makes one beforehand: forking is safest while no other thread runs.
    void prepare();
    Result<std::vector<BinaryAudit>> audit(Question question);

    // What such a process unpacks. Failures are also unreadable, when it dies of it.
    inputs::Content unpack(const inputs::PackedMember& packed) override;
    std::unique_ptr<inputs::ByteStream> open(const inputs::PackedMember& packed, inputs::Usage* usage) override;
    std::unique_ptr<inputs::ArchiveReader> open_tar(inputs::ByteStream& stream, const inputs::OpenedFile* whole,
                                                    inputs::Compression compression, const std::string& name,
                                                    inputs::Usage& usage) override;

    /// A process for as long as it is needed.
    class Lease {
    public:
        explicit Lease(Workers& workers);
        ~Lease();
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Worker* operator->() noexcept { return &worker_; }
        Worker& operator*() noexcept { return worker_; }

    private:
        Workers& workers_;
        Worker worker_;
    };

    /// In the child of a fork(), where all processes are the parent's, and no other thread is.
    void forget() noexcept;

private:
    Worker take();

    const AuditOptions& options_;
    Worker::Time deadline_;
    std::uint64_t share_;  ///< of the memory
    std::mutex whole_;     ///< who has it may use more than that
    std::mutex mutex_;
    std::vector<Worker> idle_;
};

}  // namespace interlock::auditing::worker
