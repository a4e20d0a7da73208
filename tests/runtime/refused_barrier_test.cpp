// A sandbox that is set up when the runtime lives already, and refuses membarrier(2). Each case in a child process, as
// nobody gets out of a sandbox. And durations that are as long as can be.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_refused_barrier
#include <boost/test/unit_test.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>

#include <interlock/runtime.hpp>

#include "threads.hpp"

using namespace interlock;
using interlock::testing::Event;
using interlock::testing::must;
using interlock::testing::Threads;

namespace {

/// Makes two system calls fail for this thread and those that it starts.
bool forbid(unsigned one, unsigned other) {
    std::array<sock_filter, 5> rules{
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
    const sock_fprog program{static_cast<unsigned short>(rules.size()), rules.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int no_sandbox = 77;

struct End {
    int status = 0;
    std::string said;
};

End end_of(int (*action)()) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL);
        ::dup2(ends[1], STDERR_FILENO);
        ::_exit(action());
    }
    ::close(ends[1]);
    End end;
    char buffer[1000];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        end.said.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    ::waitpid(child, &end.status, 0);
    return end;
}

/// Threads that attach all the time; in locked mode at most one of them is attached.
int switches_work() {
    Runtime runtime({.threads = 1});
    std::atomic<bool> stop{false};
    int plain = 0, counted = 0;  // only touched in locked mode: exact if one thread at a time is attached
    Threads threads;
    for (int i = 0; i < 3; ++i)
        threads.start([&] {
            while (!stop.load()) {
                const Attached guard;
            }
        });
    if (!forbid(SYS_membarrier, SYS_membarrier)) ::_exit(no_sandbox);
    for (int round = 0; round < 50; ++round) {
        runtime.switch_to_locked("a test").value();
        must(runtime.mode() == Mode::locked);
        Threads counters;
        for (int i = 0; i < 3; ++i)
            counters.start([&] {
                for (int n = 0; n < 100; ++n) {
                    const Attached guard;
                    ++plain;
                }
            });
        counters.join();
        counted += 300;
        must(plain == counted);
        must(runtime.switch_to_parallel());
    }
    stop = true;
    threads.join();
    return runtime.stats().membarrier ? 1 : 0;
}

int nothing_is_left() {
    Runtime runtime({.threads = 1});
    if (!runtime.stats().membarrier || !forbid(SYS_membarrier, SYS_sched_setaffinity)) ::_exit(no_sandbox);
    static_cast<void>(runtime.switch_to_locked("a test"));
    return 1;
}

bool skipped(const End& end) {
    const bool skip = WIFEXITED(end.status) && WEXITSTATUS(end.status) == no_sandbox;
    if (skip) BOOST_TEST_MESSAGE("skipped: no sandbox can be set up here, or there is no membarrier");
    return skip;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_portable_barrier_takes_over) {
    const End end = end_of(switches_work);
    if (skipped(end)) return;
    BOOST_TEST(WIFEXITED(end.status), end.said);
    BOOST_TEST(WEXITSTATUS(end.status) == 0, end.said);
    BOOST_TEST(end.said.empty(), end.said);
}

BOOST_AUTO_TEST_CASE(the_program_ends_with_a_message_when_nothing_can) {
    const End end = end_of(nothing_is_left);
    if (skipped(end)) return;
    BOOST_TEST((WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT));
    BOOST_TEST(end.said.starts_with("interlock: fatal: membarrier(2) is refused since the Runtime was created, by a "
                                    "seccomp filter as it seems"),
               end.said);
}

BOOST_AUTO_TEST_CASE(stalls_are_never_reported_if_that_is_asked_for) {
    for (const auto stall_report :
         {std::chrono::milliseconds::max(), std::chrono::milliseconds(std::chrono::years(1))}) {
        Runtime runtime(
            {.threads = 1, .switch_interval = std::chrono::microseconds::max(), .stall_report = stall_report});
        Event attached;
        Threads threads;
        threads.start([&] {
            const Attached guard;
            attached.set();
            while (runtime.mode() == Mode::parallel) std::this_thread::yield();
            // Long enough for the switcher to look at the clock.
            for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        });
        attached.wait();
        runtime.switch_to_locked("a test").value();
        threads.join();
        BOOST_TEST(runtime.stats().stalls_reported == 0u);
        BOOST_TEST(runtime.switch_to_parallel());
    }
}

BOOST_AUTO_TEST_CASE(a_switch_back_that_waits_is_reported_with_who_holds_the_lock) {
    Event attached, reported;
    StallReport seen;
    Runtime runtime(
        {.threads = 1, .stall_report = std::chrono::milliseconds(1), .on_stall = [&](const StallReport& report) {
             if (reported.happened()) throw std::runtime_error("of no consequence here");
             seen = report;
             reported.set();
         }});
    runtime.switch_to_locked("a test").value();
    Threads threads;
    threads.start([&] {
        const Attached guard;
        attached.set();
        reported.wait();
    });
    attached.wait();
    BOOST_TEST(runtime.switch_to_parallel());
    threads.join();
    BOOST_TEST((seen.to == Mode::parallel));
    BOOST_REQUIRE(seen.holders.size() == 1u);
    BOOST_TEST(seen.text().starts_with("switching to parallel mode (nobody asks for locked mode any more) has waited "),
               seen.text());
    BOOST_TEST(runtime.stats().stalls_reported >= 1u);
}
