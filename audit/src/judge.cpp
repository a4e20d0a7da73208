// judge.cpp: see judge.hpp. A question is a head for the file and one for each library, and a BinaryContext (wire.hpp);
// with each head goes a descriptor. An answer is its length and the result.
//
// SPDX-License-Identifier: MIT
#include "judge.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "wire.hpp"

namespace interlock::auditing {

namespace {

constexpr std::uint64_t longest_question = 16u << 20;
constexpr std::uint64_t longest_answer = 256u << 20;
constexpr int own_socket = 3;  ///< in the process
#if defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

struct FileHead {
    std::uint64_t size = 0;       ///< of the file
    std::uint64_t length = 0;     ///< of the BinaryContext behind all heads; in the first
    std::uint64_t libraries = 0;  ///< how many heads follow; in the first
};

bool send_all(int socket, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t sent = ::send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, void* data, std::size_t size) {
    auto* bytes = static_cast<char*>(data);
    while (size > 0) {
        const ssize_t got = ::recv(socket, bytes, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

// The first byte of a message carries the descriptor.
union Control {
    cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

bool send_head(int socket, const FileHead& head, int file) {
    FileHead copy = head;
    iovec part{&copy, sizeof copy};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
    ssize_t sent;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent <= 0) return false;
    const auto done = static_cast<std::size_t>(sent);
    return send_all(socket, reinterpret_cast<const char*>(&copy) + done, sizeof copy - done);
}

bool receive_head(int socket, FileHead& head, Descriptor& file) {
    iovec part{&head, sizeof head};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    ssize_t got;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return false;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    file = Descriptor(number);
    const auto done = static_cast<std::size_t>(got);
    return receive_all(socket, reinterpret_cast<char*>(&head) + done, sizeof head - done);
}

// ---- in the process ----

struct Received {
    Descriptor file;
    std::uint64_t size = 0;
};

// A library that cannot be mapped is as if it were empty: one that is no library.
std::vector<Mapping> map_libraries(const std::vector<Received>& libraries) {
    std::vector<Mapping> mapped;
    for (const Received& library : libraries) {
        try {
            mapped.push_back(Mapping::of_file(library.file.get(), library.size));
        } catch (const std::bad_alloc&) {
            mapped.emplace_back();
        }
    }
    return mapped;
}

Result<std::vector<BinaryAudit>> judged(const Received& file, const std::vector<Received>& libraries,
                                        const BinaryContext& context, const AuditOptions& options) {
    const std::string what = "cannot audit " + quoted(context.path, 4096) + ": ";
    try {
        const Mapping mapping = Mapping::of_file(file.file.get(), file.size);
        const std::vector<Mapping> mapped = map_libraries(libraries);
        std::vector<Bytes> bytes;
        for (const Mapping& library : mapped) bytes.push_back(library.bytes());
        return audit_binary(mapping.bytes(), context, options, bytes);
    } catch (const Failure& failure) {
        return failure.error();
    } catch (const std::bad_alloc&) {
        return {Errc::unreadable, what + "out of memory"};
    } catch (const std::exception& exception) {
        return {Errc::internal, what + escape(exception.what())};
    } catch (...) {
        return {Errc::internal, what + "unknown exception"};
    }
}

/// From now on the process may use so much of a processor; SIGXCPU ends it then.
void limit_time(std::chrono::seconds limit) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    rlimit bound{};
    ::getrlimit(RLIMIT_CPU, &bound);
    const auto wanted = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + limit.count() + 1);
    bound.rlim_cur = bound.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, bound.rlim_max);
    ::setrlimit(RLIMIT_CPU, &bound);
}

/// Nothing of the program that forked may act in here: its handlers, its descriptors, its dumps of memory.
void leave_everything(int socket) {
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU, SIGTERM, SIGINT,
                             SIGHUP, SIGQUIT, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2})
        ::signal(number, SIG_DFL);
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    const rlimit no_dump{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_dump);
    if (socket != own_socket) ::dup2(socket, own_socket);
    // What the emulator has to say before it dies is not for the user. A sanitizer is to be heard.
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (nowhere >= 0 && !(sanitized && number == STDERR_FILENO)) ::dup2(nowhere, number);
    // All others: a copy of another judge's socket would keep that one from seeing the end.
    if (::close_range(own_socket + 1, ~0u, 0) != 0)
        for (int number = own_socket + 1; number < 65536; ++number) ::close(number);
}

[[noreturn]] void serve(int socket, const AuditOptions& options) {
    leave_everything(socket);
    constexpr int own = own_socket;
    for (;;) {
        FileHead head;
        Received file;
        if (!receive_head(own, head, file.file)) ::_exit(0);
        if (head.length > longest_question || head.libraries > most_libraries) ::_exit(0);
        file.size = head.size;
        std::vector<Received> libraries(head.libraries);
        for (Received& library : libraries) {
            FileHead next;
            if (!receive_head(own, next, library.file)) ::_exit(0);
            library.size = next.size;
        }
        std::string wire(head.length, '\0');
        if (!receive_all(own, wire.data(), wire.size())) ::_exit(0);
        limit_time(options.budget.processor_time);
        const Result<BinaryContext> context = context_from_wire(wire);
        const std::string answer = to_wire(context ? judged(file, libraries, *context, options)
                                                   : Result<std::vector<BinaryAudit>>(context.error()));
        const std::uint64_t length = answer.size();
        if (!send_all(own, &length, sizeof length) || !send_all(own, answer.data(), answer.size())) ::_exit(0);
    }
}

}  // namespace

// ---- on the other side ----

Judge::Judge(const AuditOptions& options) : options_(&options) { start(); }

Judge::Judge(Judge&& other) noexcept
    : options_(other.options_), socket_(std::move(other.socket_)), process_(std::exchange(other.process_, -1)) {}

Judge::~Judge() { end(); }

void Judge::start() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw Failure(
            {Errc::io_error, "cannot start a process to judge files in: " + std::generic_category().message(errno)});
    Descriptor ours(ends[0]), theirs(ends[1]);
    process_ = ::fork();
    if (process_ == 0) serve(theirs.get(), *options_);
    if (process_ < 0)
        throw Failure(
            {Errc::io_error, "cannot start a process to judge files in: " + std::generic_category().message(errno)});
    socket_ = std::move(ours);
    too_slow_ = false;
}

void Judge::forget() noexcept {
    socket_ = Descriptor();
    process_ = -1;
}

std::string Judge::end() {
    if (process_ < 0) return "is gone";
    socket_ = Descriptor();
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

Judge::Answer Judge::ask(const Question& question, std::string& answer) {
    const std::string wire = to_wire(question.context);
    const FileHead head{question.size, wire.size(), question.libraries.size()};
    if (!send_head(socket_.get(), head, question.file.get())) return Answer::not_asked;
    for (const Question::Library& library : question.libraries)
        if (!send_head(socket_.get(), {.size = library.size}, library.file->get())) return Answer::none;
    if (!send_all(socket_.get(), wire.data(), wire.size())) return Answer::none;
    // Its own limit ends it long before, unless something keeps it from running at all.
    const auto patience = 20 * std::chrono::milliseconds(options_->budget.processor_time);
    pollfd waiting{socket_.get(), POLLIN, 0};
    int ready;
    do {
        ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        too_slow_ = true;
        return Answer::none;
    }
    std::uint64_t length = 0;
    if (!receive_all(socket_.get(), &length, sizeof length) || length > longest_answer) return Answer::none;
    answer.resize(length);
    return receive_all(socket_.get(), answer.data(), answer.size()) ? Answer::whole : Answer::none;
}

Result<std::vector<BinaryAudit>> Judge::judge(Question question) {
    for (bool again = false;; again = true) {
        if (process_ < 0) start();
        std::string answer;
        Answer got = ask(question, answer);
        if (got == Answer::not_asked) {  // something else ended it since the last file
            end();
            start();
            got = ask(question, answer);
        }
        if (got == Answer::whole) return audits_from_wire(answer);
        const std::string how = end();
        // What a library does to the process says nothing of the module alone, which has been judged before.
        if (again || !question.libraries.empty())
            return {Errc::unreadable, "cannot audit " + quoted(question.context.path, 4096) +
                                          ": the process that read it " + how + "; was the file changed meanwhile?"};
        question.context.not_run_because = "the process in which it was run " + how;
    }
}

Judge Judges::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            Judge judge = std::move(idle_.back());
            idle_.pop_back();
            return judge;
        }
    }
    return Judge(options_);
}

void Judges::prepare() {
    Judge judge(options_);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(judge));
}

void Judges::forget() noexcept {
    for (Judge& judge : idle_) judge.forget();
    idle_.clear();
}

Result<std::vector<BinaryAudit>> Judges::judge(Question question) {
    Judge judge = take();
    auto result = judge.judge(std::move(question));
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(judge));
    return result;
}

}  // namespace interlock::auditing
