// Misuse from which there is no way on: the process ends with a message that says what was wrong. Each case runs in a
// child process.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_fatal
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <interlock/runtime.hpp>
#include <latch>
#include <memory>
#include <string>
#include <thread>

using namespace interlock;

namespace {

/// What the child wrote to stderr when it aborted; otherwise how else it ended.
std::string message_of(void (*misuse)()) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::signal(SIGABRT, SIG_DFL);  // not Boost.Test's
        alarm(20);
        dup2(pipe_ends[1], STDERR_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        misuse();
        _exit(0);
    }
    close(pipe_ends[1]);
    std::string text;
    char buffer[1000];
    for (ssize_t got; (got = read(pipe_ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
    if (WTERMSIG(status) != SIGABRT) return "signal " + std::to_string(WTERMSIG(status));
    return text;
}

void section_of_a_detached_thread() {
    Runtime runtime;
    Mutex object;
    CriticalSection section(object);
}

void section_before_the_first_attach() {
    Mutex object;
    CriticalSection section(object);
}

void sections_ended_in_the_wrong_order() {
    Runtime runtime;
    Mutex a, b;
    Attached attached;
    detail::CriticalFrame outer, inner;
    detail::critical_begin(outer, &a, nullptr);
    detail::critical_begin(inner, &b, nullptr);
    detail::critical_end(outer);
}

void runtime_destroyed_by_an_attached_thread() {
    auto runtime = std::make_unique<Runtime>();
    Attached attached;
    runtime.reset();
}

void runtime_destroyed_under_attached_code() {
    auto runtime = std::make_unique<Runtime>();
    Attached attached;
    Detached detached;
    runtime.reset();
}

Mutex left_locked;

void thread_ended_in_a_section_of_c_code() {
    Runtime runtime;
    pthread_t thread{};
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
            detail::attach(detail::own_slot());
            detail::CriticalFrame frame;
            detail::critical_begin(frame, &left_locked, nullptr);
            pthread_exit(nullptr);
        },
        nullptr);
    pthread_join(thread, nullptr);
}

/// On a thread of the executor, in a piece of a loop.
template <typename Function>
void on_a_thread_of_the_executor(Function function) {
    Runtime runtime({.threads = 2});
    std::latch both(2);
    const auto caller = std::this_thread::get_id();
    runtime.parallel_for(
        0, 2,
        [&](std::size_t) {
            both.arrive_and_wait();
            if (std::this_thread::get_id() != caller) function();
        },
        1);
}

void thread_of_the_executor_ended_by_a_piece() {
    on_a_thread_of_the_executor([] { pthread_exit(nullptr); });
}

void child_of_a_fork_left_a_piece() {
    on_a_thread_of_the_executor([] {
        const pid_t child = fork();
        if (child == 0) return;
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) std::abort();
    });
}

/// A thread that does so and waits to be ended.
void on_a_thread(void (*function)()) {
    std::thread thread(function);
    thread.join();
}

void on_event_ended_its_thread() {
    on_a_thread([] {
        Runtime runtime({.on_event = [](const RuntimeEvent&) { pthread_exit(nullptr); }});
        static_cast<void>(runtime.switch_to_locked("test"));
    });
}

void on_stall_ended_its_thread_on_the_way_back() {
    Runtime runtime(
        {.stall_report = std::chrono::milliseconds(1), .on_stall = [](const StallReport&) { pthread_exit(nullptr); }});
    runtime.switch_to_locked("test").value();
    const Attached holder;
    std::thread([&] { runtime.switch_to_parallel(); }).join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(misuse_is_fatal_and_says_why) {
    const struct {
        void (*misuse)();
        const char* message;
    } rows[] = {
        {section_of_a_detached_thread,
         "a critical section was begun by a thread that is not attached; attach first (interlock::Attached)"},
        {section_before_the_first_attach,
         "a critical section was begun by a thread that is not attached; attach first (interlock::Attached)"},
        {sections_ended_in_the_wrong_order, "a critical section was ended that is not the innermost one of its thread"},
        {runtime_destroyed_by_an_attached_thread,
         "the Runtime is destroyed by a thread that is attached to it; let the Attached guard end first"},
        {runtime_destroyed_under_attached_code,
         "the Runtime was destroyed while a thread was detached inside attached code"},
        {thread_ended_in_a_section_of_c_code,
         "a thread ended (pthread_exit?) inside a critical section of C code; end the section first"},
        {thread_of_the_executor_ended_by_a_piece,
         "a thread of the executor was ended (pthread_exit or pthread_cancel?) by a piece of a parallel loop; return "
         "from "
         "it instead"},
        {on_event_ended_its_thread, "RuntimeOptions::on_event ended its thread (pthread_exit?); it has to return"},
        {on_stall_ended_its_thread_on_the_way_back,
         "RuntimeOptions::on_stall ended its thread (pthread_exit?); it has to return"},
        {child_of_a_fork_left_a_piece,
         "the child of a fork returned from a body to a thread of the executor, which exists in the parent only; end "
         "the "
         "child with _exit() or exec() inside the body"},
    };
    for (const auto& row : rows)
        BOOST_CHECK_EQUAL(message_of(row.misuse), "interlock: fatal: " + std::string(row.message) + "\n");
}
