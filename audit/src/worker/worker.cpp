// worker.cpp: the side of the program: makes the processes, asks them, and says in words how one has ended.
// serve.cpp is the other side.
//
// SPDX-License-Identifier: MIT
#include "worker/worker.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "emulation/guest_limits.hpp"
#include "worker/serve.hpp"
#include "worker/wire.hpp"

namespace interlock::auditing::worker {

Error not_in_time(const std::string& path, const AuditOptions& options) {
    return {
        Errc::unsupported,
        quoted(path, 4096) + fmt::format(" is not judged: the time for the audit was over; the limit time_limit is {} "
                                         "ms: raise it, or audit less at once",
                                         options.time_limit.count())};
}

Worker::Worker(const AuditOptions& options, Time deadline) : options_(&options), deadline_(deadline) { start(); }

Worker::Worker(Worker&& other) noexcept
    : options_(other.options_),
      deadline_(other.deadline_),
      socket_(std::move(other.socket_)),
      process_(std::exchange(other.process_, -1)) {}

Worker::~Worker() { end(); }

void Worker::start() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw Failure(
            {Errc::io_error, "cannot start a process to judge files in: " + std::generic_category().message(errno)});
    base::Descriptor ours(ends[0]), theirs(ends[1]);
    process_ = ::fork();
    if (process_ == 0) serve(theirs.get(), *options_);
    if (process_ < 0)
        throw Failure(
            {Errc::io_error, "cannot start a process to judge files in: " + std::generic_category().message(errno)});
    socket_ = std::move(ours);
    too_slow_ = false;
}

void Worker::forget() noexcept {
    socket_ = base::Descriptor();
    process_ = -1;
}

std::string Worker::end() {
    if (process_ < 0) return "is gone";
    socket_ = base::Descriptor();
    // It may have died of itself already; then this does nothing.
    if (too_slow_) ::kill(process_, SIGKILL);
    int status = 0;
    pid_t ended;
    // Without the socket it ends, at the latest when it has answered; nobody waits for that.
    for (int tries = 0; (ended = ::waitpid(process_, &status, WNOHANG)) == 0; ++tries) {
        if (tries == 1) ::kill(process_, SIGKILL);
        ::usleep(tries == 0 ? 1000 : 100);
    }
    process_ = -1;
    if (too_slow_) return "did not answer in time";
    if (ended < 0) return "is gone";  // a program that ignores SIGCHLD never hears how its children end
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        if (number == SIGXCPU)
            return fmt::format("used a processor for more than {} s", options_->budget.processor_time.count());
        return fmt::format("was killed by signal {} ({})", number, ::sigdescr_np(number));
    }
    return fmt::format("ended with status {}", WEXITSTATUS(status));
}

bool Worker::begin(const Message& message) {
    FileHead head{message.files.front().size, message.text.size(), message.task,
                  static_cast<std::uint32_t>(message.files.size() - 1), message.memory};
    if (process_ < 0) start();
    if (!send_head(socket_.get(), head, message.files.front().descriptor)) {
        // Something else ended it since the last request.
        end();
        start();
        if (!send_head(socket_.get(), head, message.files.front().descriptor)) return false;
    }
    for (std::size_t i = 1; i < message.files.size(); ++i)
        if (!send_head(socket_.get(), {.size = message.files[i].size}, message.files[i].descriptor)) return false;
    return send_all(socket_.get(), message.text.data(), message.text.size());
}

bool Worker::receive(void* data, std::size_t size) {
    // Its own limit ends it long before, unless something keeps it from running at all.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
    const auto patience =
        std::clamp(left, std::chrono::milliseconds(0), 20 * std::chrono::milliseconds(options_->budget.processor_time));
    pollfd waiting{socket_.get(), POLLIN, 0};
    int ready;
    do {
        ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
    } while (ready < 0 && errno == EINTR);
    too_slow_ = ready == 0;
    return ready != 0 && receive_all(socket_.get(), data, size);
}

bool Worker::send(const void* data, std::size_t size) { return send_all(socket_.get(), data, size); }

bool Worker::ask(const Question& question, std::uint64_t memory, std::string& answer) {
    Message message{Task::audit, {{question.file.get(), question.size}}, to_wire(question.context), memory};
    for (const Question::Library& library : question.libraries)
        message.files.push_back({library.file->get(), library.size});
    std::uint64_t length = 0;
    if (!begin(message) || !receive(&length, sizeof length) || length > longest_answer) return false;
    answer.resize(length);
    return receive_all(socket_.get(), answer.data(), answer.size());
}

Result<std::vector<BinaryAudit>> Worker::audit(Question question) {
    return *audit(std::move(question), emulation::most_guest_memory);
}

std::optional<Result<std::vector<BinaryAudit>>> Worker::audit(Question question, std::uint64_t memory) {
    for (bool again = false;; again = true) {
        std::string answer;
        if (ask(question, memory, answer)) {
            if (answer.empty() && memory < emulation::most_guest_memory) return std::nullopt;
            return audits_from_wire(answer);
        }
        const std::string how = end();
        if (std::chrono::steady_clock::now() >= deadline_) return not_in_time(question.context.path, *options_);
        // What a library does to the process says nothing of the module alone, which has been judged before.
        if (again || !question.libraries.empty())
            return Error{Errc::unreadable, "cannot audit " + quoted(question.context.path, 4096) +
                                               ": the process that read it " + how +
                                               "; was the file changed meanwhile?"};
        question.context.not_run_because = "the process in which it was run " + how;
    }
}

// One may always have all that it can use; what is left is for the others.
Workers::Workers(const AuditOptions& options, Worker::Time deadline, unsigned at_once)
    : options_(options),
      deadline_(deadline),
      share_((options.budget.emulated_memory - std::min(options.budget.emulated_memory, emulation::most_guest_memory)) /
             std::max(at_once, 1u)) {}

unsigned Workers::most_at_once(const AuditOptions& options, unsigned threads) noexcept {
    const std::uint64_t memory = options.budget.emulated_memory;
    const std::uint64_t others = memory < emulation::most_guest_memory
                                     ? 0
                                     : (memory - emulation::most_guest_memory) / emulation::least_guest_memory;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(others, 1, std::max(threads, 1u)));
}

Workers::Lease::Lease(Workers& workers) : workers_(workers), worker_(workers.take()) {}

Workers::Lease::~Lease() {
    const std::lock_guard lock(workers_.mutex_);
    workers_.idle_.push_back(std::move(worker_));
}

Worker Workers::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            Worker worker = std::move(idle_.back());
            idle_.pop_back();
            return worker;
        }
    }
    return Worker(options_, deadline_);
}

void Workers::prepare() {
    Worker worker(options_, deadline_);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
}

void Workers::forget() noexcept {
    for (Worker& worker : idle_) worker.forget();
    idle_.clear();
}

Result<std::vector<BinaryAudit>> Workers::audit(Question question) {
    Lease worker(*this);
    if (auto result = worker->audit(question, share_)) return std::move(*result);
    const std::lock_guard alone(whole_);
    return worker->audit(std::move(question));
}

}  // namespace interlock::auditing::worker
