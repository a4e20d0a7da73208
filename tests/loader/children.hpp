// children.hpp: what is done in a child process, as it forks in the middle of things or ends the process.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace interlock::test {

/// The exit status of a child, once it has ended; 1000 and the signal if one ended it.
inline int status_of(pid_t child) {
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) throw std::runtime_error("no child process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// Runs `body` in the child of a fork; its answer is the number of the check that failed, 0 for none.
template <typename Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    return status_of(child);
}

struct Death {
    bool aborted = false;
    std::string said;
};

/// What a child writes to stderr when `action` ends it.
template <typename Action>
Death death_of(Action action) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        ::signal(SIGABRT, SIG_DFL);  // the test framework would handle it
        ::alarm(20);
        action();
        ::_exit(0);
    }
    ::close(ends[1]);
    Death death;
    char buffer[1000];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        death.said.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    death.aborted = status_of(child) == 1000 + SIGABRT;
    return death;
}

}  // namespace interlock::test
