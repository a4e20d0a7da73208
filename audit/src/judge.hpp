// judge.hpp: processes that judge binaries. What a hostile file can break (readers, the emulator, a mapping of a file
// that is cut short) is done in there: the process may die of it, and the audit goes on. docs/decisions/0011 says why.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "binary.hpp"
#include "inputs_content.hpp"

namespace interlock::auditing {

/// What goes to the process that judges: a file, and the libraries that come with it.
struct Question {
    const Descriptor& file;
    std::uint64_t size = 0;
    BinaryContext context;  ///< with the names of the libraries
    struct Library {
        const Descriptor* file;
        std::uint64_t size;
    };
    std::vector<Library> libraries{};  ///< in the order of the names
};
/// More are not sent along.
inline constexpr std::size_t most_libraries = 64;

/// One process. Not for several threads at once. Forks, when it is made and after each death of the process.
class Judge {
public:
    /// `options` outlives it. Throws Failure with io_error when there can be no process.
    explicit Judge(const AuditOptions& options);
    /// Ends the process.
    ~Judge();
    Judge(Judge&& other) noexcept;
    Judge& operator=(Judge&&) = delete;
    /// Leaves the process to somebody else: the parent, in the child of a fork().
    void forget() noexcept;

    /// As audit_binary(), of the first bytes of the files, which are mapped by the process. An init function that
    /// kills it is not run a second time, and its module is undetermined. Errors: also unreadable, when the process
    /// dies all the same; unreadable and internal for exceptions of audit_binary(). Throws as the constructor.
    Result<std::vector<BinaryAudit>> judge(Question question);

private:
    void start();
    /// How the process ended, as the end of a sentence: "was killed by signal 11 (Segmentation fault)".
    std::string end();
    enum class Answer : std::uint8_t { whole, none, not_asked };
    Answer ask(const Question& question, std::string& answer);

    const AuditOptions* options_;
    Descriptor socket_;
    pid_t process_ = -1;
    bool too_slow_ = false;
};

/// Judges for the threads of one audit. All functions may be called from any thread.
class Judges {
public:
    explicit Judges(const AuditOptions& options) : options_(options) {}
    /// Makes one beforehand: forking is safest while no other thread runs.
    void prepare();
    Result<std::vector<BinaryAudit>> judge(Question question);
    /// In the child of a fork(), where all processes are the parent's, and no other thread is.
    void forget() noexcept;

private:
    Judge take();

    const AuditOptions& options_;
    std::mutex mutex_;
    std::vector<Judge> idle_;
};

}  // namespace interlock::auditing
