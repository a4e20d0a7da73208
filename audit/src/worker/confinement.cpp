// confinement.cpp: three layers, each of which holds without the others: limits of the process, no rights at all in
// the file system and the network (Landlock), and a list of the system calls that there are (seccomp).
//
// SPDX-License-Identifier: MIT
#include "worker/confinement.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <system_error>

#include "inputs/inputs_content.hpp"

namespace interlock::auditing::worker {

namespace {

bool is_wanted(std::string_view layer) noexcept {
    const char* text = std::getenv(without_variable);
    std::string_view list = text == nullptr ? "" : text;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (list.substr(0, comma) == layer) return false;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return true;
}

// ---- what the program that forked has left ----

void forget_the_program(int socket) noexcept {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);  // those that cannot be changed stay
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    if (socket != own_socket) ::dup2(socket, own_socket);
    // What the emulator has to say before it dies is not for the user.
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (nowhere >= 0 && !(sanitized && number == STDERR_FILENO)) ::dup2(nowhere, number);
    // All others: a copy of another worker's socket would keep that one from seeing the end.
    if (::close_range(own_socket + 1, ~0u, 0) != 0)
        for (int number = own_socket + 1; number < 65536; ++number) ::close(number);
}

// ---- limits ----

void limit(int resource, rlim_t value) noexcept {
    rlimit bound{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &bound) != 0) return;
    bound.rlim_cur = bound.rlim_max = bound.rlim_max == RLIM_INFINITY ? value : std::min(value, bound.rlim_max);
    ::setrlimit(static_cast<__rlimit_resource_t>(resource), &bound);
}

/// Address space, and what of it is private and can be written; of this process, in bytes.
struct Size {
    std::uint64_t all = 0, data = 0;
};
Size own_size() noexcept {
    Size size;
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) return size;
    unsigned long long all = 0, data = 0;
    if (std::fscanf(file, "%llu %*u %*u %*u %*u %llu", &all, &data) == 2) {
        const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        size = {all * page, data * page};
    }
    std::fclose(file);
    return size;
}

void limit_everything(std::uint64_t memory, std::uint64_t files) noexcept {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_NOFILE, own_socket + 1 + most_received);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_MSGQUEUE, 0);
    if (sanitized) return;
    // Of a program with much memory all is counted here as well, though nobody touches it any more.
    const Size size = own_size();
    if (size.all == 0) return;
    limit(RLIMIT_DATA, size.data + memory);
    limit(RLIMIT_AS, size.all + memory + files);
}

// ---- Landlock ----

// As its first seven versions have it; the headers of a system are often older than its kernel.
struct LandlockRules {
    std::uint64_t files, network, scope;
};
constexpr long landlock_create = 444, landlock_restrict = 446;  // on every processor
constexpr unsigned landlock_version = 1;

unsigned landlock() noexcept {
    const long version = ::syscall(landlock_create, nullptr, 0, landlock_version);
    if (version < 1) return 0;
    // What a version does not know it refuses. All that is handled and not allowed is forbidden, and nothing is
    // allowed.
    constexpr std::array<unsigned, 5> rights_of_version = {13, 14, 15, 15, 16};
    const auto known = std::min<std::size_t>(static_cast<std::size_t>(version), rights_of_version.size());
    LandlockRules rules{};
    rules.files = (1ull << rights_of_version[known - 1]) - 1;
    if (version >= 4) rules.network = 3;  // bind and connect, of TCP
    if (version >= 6) rules.scope = 3;    // abstract sockets and signals, beyond this process
    const long ruleset = ::syscall(landlock_create, &rules, sizeof rules, 0);
    if (ruleset < 0) return 0;
    const bool done = ::syscall(landlock_restrict, ruleset, 0) == 0;
    ::close(static_cast<int>(ruleset));
    return done ? static_cast<unsigned>(version) : 0;
}

// ---- seccomp ----

#if defined(__x86_64__) && defined(__LP64__)
constexpr std::uint32_t processor = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__) && defined(__LP64__) && defined(__AARCH64EL__)
constexpr std::uint32_t processor = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t processor = AUDIT_ARCH_RISCV64;
#else
#define INTERLOCK_NO_FILTER
#endif

#ifdef INTERLOCK_NO_FILTER
bool filter_system_calls() noexcept { return false; }
#else

/// A program for the kernel, made by hand. Each rule ends in a verdict of its own, so that all jumps are short.
class Filter {
public:
    Filter() {
        load(offsetof(seccomp_data, arch));
        unless_equal(processor, 1);
        end(SECCOMP_RET_KILL_PROCESS);
        load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
        // The second way to call an x86-64 kernel, with numbers of its own.
        put(BPF_JMP | BPF_JGE | BPF_K, 0x4000'0000, 0, 1);
        end(SECCOMP_RET_KILL_PROCESS);
#endif
    }

    void allow(std::initializer_list<long> calls) {
        for (const long call : calls) {
            put(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1);
            end(SECCOMP_RET_ALLOW);
        }
    }

    struct Argument {
        unsigned index;
        std::uint32_t mask, value;
    };
    /// Where each of these arguments, of which the kernel takes the lower half, has this value under its mask.
    void allow_if(long call, std::initializer_list<Argument> arguments) {
        constexpr std::uint8_t length = 3;
        const auto behind = static_cast<std::uint8_t>(length * arguments.size() + 1);
        put(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, static_cast<std::uint8_t>(behind + 1));
        auto left = static_cast<std::uint8_t>(length * arguments.size());
        for (const Argument& argument : arguments) {
            left = static_cast<std::uint8_t>(left - length);
            load(static_cast<std::uint32_t>(offsetof(seccomp_data, args) + argument.index * sizeof(std::uint64_t)));
            put(BPF_ALU | BPF_AND | BPF_K, argument.mask, 0, 0);
            put(BPF_JMP | BPF_JEQ | BPF_K, argument.value, 0, static_cast<std::uint8_t>(left + 1));
        }
        end(SECCOMP_RET_ALLOW);
        load(offsetof(seccomp_data, nr));
    }

    /// Everything else fails, as it would where the user has no right to it: so a library that only tries something
    /// goes on without it. False if there can be no filter.
    bool install() {
        end(SECCOMP_RET_ERRNO | EPERM);
        const sock_fprog program{static_cast<unsigned short>(size_), code_.data()};
        return size_ <= code_.size() && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
    }

private:
    void put(int code, std::uint32_t value, std::uint8_t if_true, std::uint8_t if_false) {
        if (size_ < code_.size()) code_[size_] = {static_cast<std::uint16_t>(code), if_true, if_false, value};
        ++size_;
    }
    void load(std::uint32_t offset) { put(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
    void unless_equal(std::uint32_t value, std::uint8_t skip) { put(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0); }
    void end(std::uint32_t verdict) { put(BPF_RET | BPF_K, verdict, 0, 0); }

    std::array<sock_filter, 256> code_{};
    std::size_t size_ = 0;
};

bool filter_system_calls() noexcept {
    if (sanitized) return false;
    constexpr std::uint32_t all = ~0u;
    Filter filter;
    // Questions and answers, and the files that come with them.
    filter.allow_if(SYS_recvfrom, {{0, all, own_socket}});
    filter.allow_if(SYS_recvmsg, {{0, all, own_socket}});
    // Without an address: the socket has a peer.
    filter.allow_if(SYS_sendto, {{0, all, own_socket}, {4, all, 0}});
    filter.allow({SYS_pread64, SYS_close});
    // Memory; the emulator writes code and runs it. Of files only those can be mapped that were handed over, for
    // reading or as the room for what is unpacked.
    filter.allow({SYS_mmap, SYS_munmap, SYS_madvise, SYS_brk, SYS_mremap, SYS_mprotect});
    // Of the C library: locks, time, random numbers for hash tables, and how abort() ends.
    filter.allow({SYS_futex, SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_getrusage, SYS_sysinfo,
                  SYS_sched_getaffinity, SYS_sched_yield, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
                  SYS_restart_syscall, SYS_getpid, SYS_gettid, SYS_exit, SYS_exit_group});
    filter.allow_if(SYS_tgkill, {{0, all, static_cast<std::uint32_t>(::getpid())}});
    filter.allow_if(SYS_prlimit64, {{0, all, 0}, {1, all, RLIMIT_CPU}});
    return filter.install();
}
#endif

}  // namespace

Confinement confine(int socket, std::uint64_t memory, std::uint64_t files) noexcept {
    forget_the_program(socket);
    limit_everything(memory, files);
    Confinement in_force;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return in_force;
    if (is_wanted("landlock")) in_force.landlock = landlock();
    // Last: it forbids what the others need.
    if (is_wanted("seccomp")) in_force.seccomp = filter_system_calls();
    return in_force;
}

}  // namespace interlock::auditing::worker

namespace interlock {

Confinement confinement() {
    using namespace auditing;
    using namespace worker;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
    const base::Descriptor ours(ends[0]);
    base::Descriptor theirs(ends[1]);
    const pid_t process = ::fork();
    if (process == 0) {
        const Confinement in_force = confine(theirs.get(), 1u << 30, 1u << 30);
        ::_exit(::send(own_socket, &in_force, sizeof in_force, MSG_NOSIGNAL) == sizeof in_force ? 0 : 1);
    }
    theirs = base::Descriptor();
    Confinement in_force;
    if (process > 0) {
        if (::recv(ours.get(), &in_force, sizeof in_force, MSG_WAITALL) != sizeof in_force) in_force = {};
        while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    return in_force;
}

}  // namespace interlock
