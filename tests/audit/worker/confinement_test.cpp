// confinement_test.cpp: what a process that judges can still do, layer by layer. Each attempt is made in a process that
// has been confined as those of an audit are, and what the system answers comes back through its socket.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "audit/inputs/archive_maker.hpp"
#include "worker/channel.hpp"
#include "worker/confinement.hpp"

namespace interlock::auditing {
using namespace inputs;
using namespace worker;
namespace {

using namespace interlock::test;

/// What there is to attack: files that were open in the program, one that was handed over, and the program.
struct Target {
    std::string file;
    int inherited = -1, received = -1;
    pid_t program = -1;
};

struct Attempt {
    const char* what;
    /// As a system call: -1 and errno where it fails.
    std::function<long(const Target&)> make;
};

/// A process that should not be there: it is gone at once.
long without_child(long process) {
    if (process == 0) ::_exit(0);
    return process;
}

const std::vector<Attempt>& attempts() {
    static const std::vector<Attempt> all = {
        {"open for reading", [](const Target& target) { return long{::open(target.file.c_str(), O_RDONLY)}; }},
        {"open for writing", [](const Target& target) { return long{::open(target.file.c_str(), O_WRONLY)}; }},
        {"open its own memory", [](const Target&) { return long{::open("/proc/self/mem", O_RDWR)}; }},
        {"create",
         [](const Target& target) { return long{::open((target.file + "2").c_str(), O_CREAT | O_RDWR, 0600)}; }},
        {"remove", [](const Target& target) { return long{::unlink(target.file.c_str())}; }},
        {"look", [](const Target& target) { return long{::access(target.file.c_str(), R_OK)}; }},
        {"make a socket", [](const Target&) { return long{::socket(AF_INET, SOCK_STREAM, 0)}; }},
        {"make a local socket", [](const Target&) { return long{::socket(AF_UNIX, SOCK_DGRAM, 0)}; }},
        {"execute",
         [](const Target&) {
             char name[] = "/bin/true";
             char* const arguments[] = {name, nullptr};
             return long{::execve(name, arguments, nullptr)};
         }},
        {"fork", [](const Target&) { return without_child(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }},
        {"fork in the new way",
         [](const Target&) {
             std::uint64_t arguments[8] = {0, 0, 0, 0, SIGCHLD, 0, 0, 0};
             return without_child(::syscall(435, arguments, sizeof arguments));
         }},
        {"trace", [](const Target& target) { return ::ptrace(PTRACE_ATTACH, target.program, nullptr, nullptr); }},
        {"be traced", [](const Target&) { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
        {"read the program's memory",
         [](const Target& target) {
             char byte = 0;
             iovec here{&byte, 1}, there{const_cast<char*>(target.file.data()), 1};
             return long{::process_vm_readv(target.program, &here, 1, &there, 1, 0)};
         }},
        {"signal the program", [](const Target& target) { return long{::kill(target.program, 0)}; }},
        {"signal its thread",
         [](const Target& target) { return ::syscall(SYS_tgkill, target.program, target.program, 0); }},
        {"write to an inherited file", [](const Target& target) { return long{::write(target.inherited, "x", 1)}; }},
        {"write to a received file", [](const Target& target) { return long{::write(target.received, "x", 1)}; }},
        {"write into a received file", [](const Target& target) { return long{::pwrite(target.received, "x", 1, 0)}; }},
        {"cut a received file", [](const Target& target) { return long{::ftruncate(target.received, 1)}; }},
        {"write to the socket without asking", [](const Target&) { return long{::write(own_socket, "x", 1)}; }},
        {"hand descriptors out",
         [](const Target&) {
             msghdr message{};
             return long{::sendmsg(own_socket, &message, 0)};
         }},
        {"send elsewhere", [](const Target& target) { return long{::send(target.received, "x", 1, MSG_NOSIGNAL)}; }},
        {"copy a descriptor", [](const Target& target) { return long{::dup(target.received)}; }},
        {"make a file in memory", [](const Target&) { return long{::memfd_create("x", 0)}; }},
        {"control a device", [](const Target&) { return ::syscall(SYS_ioctl, own_socket, 0, 0); }},
        {"get other rights", [](const Target&) { return long{::setuid(0)}; }},
        {"make a namespace", [](const Target&) { return long{::syscall(SYS_unshare, 0x1000'0000)}; }},
        {"mount", [](const Target&) { return ::syscall(SYS_mount, "none", "/", "tmpfs", 0, 0); }},
        {"load a program into the kernel", [](const Target&) { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
        {"watch the kernel", [](const Target&) { return ::syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0); }},
        {"call the system by a ring", [](const Target&) { return ::syscall(425, 1, nullptr); }},
        {"handle page faults", [](const Target&) { return ::syscall(SYS_userfaultfd, 0); }},
        {"keep keys", [](const Target&) { return ::syscall(SYS_add_key, "user", "x", "x", 1, -1); }},
        {"share memory", [](const Target&) { return ::syscall(SYS_shmget, 0, 4096, 01600); }},
        {"raise a limit",
         [](const Target&) {
             const rlimit bound{10, 10};
             return long{::setrlimit(RLIMIT_NOFILE, &bound)};
         }},
        {"change a limit of the program",
         [](const Target& target) { return ::syscall(SYS_prlimit64, target.program, RLIMIT_CPU, nullptr, nullptr); }},
        {"change itself", [](const Target&) { return long{::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)}; }},
    };
    return all;
}

/// What the attempts come to in a confined process: errno of each, 0 where it was successful.
struct Seen {
    Confinement in_force;
    std::map<std::string, int> errors;
};

/// `only`: what is harmless where it is not refused; empty: all.
Seen seen_without(const char* layers, const std::set<std::string>& only = {}) {
    std::vector<Attempt> made;
    for (const Attempt& attempt : attempts())
        if (only.empty() || only.contains(attempt.what)) made.push_back(attempt);
    ::setenv(without_variable, layers, 1);
    const TemporaryFolder folder;
    Target target{folder.write("file", "content"), -1, -1, ::getpid()};
    const base::Descriptor inherited(::open(target.file.c_str(), O_RDWR)),
        handed_over(::open(target.file.c_str(), O_RDWR));
    // Where the process has its socket something else may be open here.
    target.inherited = ::fcntl(inherited.get(), F_DUPFD, 100);
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const base::Descriptor ours(ends[0]);
    base::Descriptor theirs(ends[1]);
    const pid_t process = ::fork();
    if (process == 0) {
        const Confinement in_force = confine(theirs.get(), 1u << 30, 1u << 30);
        ::signal(SIGXFSZ, SIG_IGN);
        FileHead head;
        base::Descriptor received;
        if (!receive_head(own_socket, head, received)) ::_exit(1);
        target.received = received.get();
        std::vector<int> results;
        for (const Attempt& attempt : made) {
            errno = 0;
            results.push_back(attempt.make(target) < 0 ? errno : 0);
        }
        char byte = 0;
        results.push_back(::pread(target.received, &byte, 1, 0) == 1 && byte == 'c' ? 0 : errno);
        void* const code =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        results.push_back(code != MAP_FAILED ? 0 : errno);
        void* const much =
            ::mmap(nullptr, 8ull << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        results.push_back(much != MAP_FAILED ? 0 : errno);
        const bool sent = send_all(own_socket, &in_force, sizeof in_force) &&
                          send_all(own_socket, results.data(), results.size() * sizeof(int));
        ::_exit(sent ? 0 : 1);
    }
    theirs = base::Descriptor();
    Seen seen;
    std::vector<int> results(made.size() + 3);
    BOOST_REQUIRE(send_head(ours.get(), {}, handed_over.get()));
    BOOST_REQUIRE(receive_all(ours.get(), &seen.in_force, sizeof seen.in_force));
    BOOST_REQUIRE(receive_all(ours.get(), results.data(), results.size() * sizeof(int)));
    int status = -1;
    BOOST_REQUIRE(::waitpid(process, &status, 0) == process);
    BOOST_TEST(status == 0);
    ::close(target.inherited);
    ::unsetenv(without_variable);
    std::size_t next = 0;
    for (const Attempt& attempt : made) seen.errors[attempt.what] = results[next++];
    for (const char* what : {"READ", "RUN", "MUCH"}) seen.errors[what] = results[next++];
    // Whatever was tried, the file is as it was.
    BOOST_TEST(content_of(target.file) == "content");
    BOOST_TEST(!std::filesystem::exists(target.file + "2"));
    return seen;
}

void check_what_is_needed(const Seen& seen) {
    BOOST_TEST(seen.errors.at("READ") == 0);
    BOOST_TEST(seen.errors.at("RUN") == 0);
    if (!sanitized) BOOST_TEST(seen.errors.at("MUCH") == ENOMEM);
}

void check_that_all_is_refused(const Seen& seen) {
    for (const Attempt& attempt : attempts()) BOOST_TEST(seen.errors.at(attempt.what) == EPERM, attempt.what);
}

BOOST_AUTO_TEST_SUITE(confined)

BOOST_AUTO_TEST_CASE(nothing_but_thinking_is_left) {
    if (!confinement().seccomp) return;
    const Seen seen = seen_without("");
    check_what_is_needed(seen);
    BOOST_TEST(seen.in_force.seccomp);
    BOOST_TEST(seen.in_force.landlock == confinement().landlock);
    check_that_all_is_refused(seen);
}

BOOST_AUTO_TEST_CASE(the_list_of_system_calls_needs_nothing_else) {
    if (!confinement().seccomp) return;
    const Seen seen = seen_without("landlock");
    check_what_is_needed(seen);
    BOOST_TEST(seen.in_force.landlock == 0u);
    check_that_all_is_refused(seen);
}

BOOST_AUTO_TEST_CASE(without_it_there_are_no_files) {
    if (confinement().landlock == 0) return;
    const std::set<std::string> files = {"open for reading", "open for writing", "open its own memory",
                                         "create",           "remove",           "execute"};
    const Seen seen = seen_without("seccomp", files);
    check_what_is_needed(seen);
    BOOST_TEST(!seen.in_force.seccomp);
    BOOST_TEST(seen.in_force.landlock > 0u);
    for (const std::string& what : files) BOOST_TEST(seen.errors.at(what) == EACCES, what);
}

BOOST_AUTO_TEST_CASE(limits_hold_alone) {
    const std::set<std::string> writing = {"write to an inherited file", "write to a received file",
                                           "write into a received file"};
    const Seen seen = seen_without("seccomp,landlock", writing);
    check_what_is_needed(seen);
    BOOST_TEST(!seen.in_force.seccomp);
    BOOST_TEST(seen.in_force.landlock == 0u);
    BOOST_TEST(seen.errors.at("write to an inherited file") == EBADF);
    BOOST_TEST(seen.errors.at("write to a received file") == EFBIG);
    BOOST_TEST(seen.errors.at("write into a received file") == EFBIG);
}

#if defined(__x86_64__)
BOOST_AUTO_TEST_CASE(system_calls_of_another_kind_kill) {
    if (!confinement().seccomp) return;
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const base::Descriptor ours(ends[0]), theirs(ends[1]);
    const pid_t process = ::fork();
    if (process == 0) {
        confine(theirs.get(), 1u << 30, 1u << 30);
        ::syscall(0x4000'0000 + SYS_getpid);
        ::_exit(0);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(process, &status, 0) == process);
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGSYS);
}
#endif

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
