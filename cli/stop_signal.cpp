// stop_signal.cpp: the signal handler behind StopSignal (stop_signal.hpp).
//
// SPDX-License-Identifier: MIT
#include "stop_signal.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace interlock::cli {

namespace {

std::atomic<int> received_signal{0};
std::atomic<int> event{-1};
static_assert(std::atomic<int>::is_always_lock_free, "the handler needs it");

extern "C" void on_stop_signal(int number) {
    const int saved = errno;
    received_signal.store(number);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event.load(), &one, sizeof one));
    errno = saved;
}

void listen_for(int number, struct sigaction& old) {
    ::sigaction(number, nullptr, &old);
    // Who starts a job in the background or with nohup has chosen for it.
    if (old.sa_handler == SIG_IGN) return;
    struct sigaction action{};
    action.sa_handler = on_stop_signal;
    action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
    ::sigaction(number, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
    received_signal.store(0);
    event.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    listen_for(SIGINT, old_interrupt_);
    listen_for(SIGTERM, old_terminate_);
}

StopSignal::~StopSignal() {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
    const int fd = event.exchange(-1);
    if (fd >= 0) ::close(fd);
}

int StopSignal::received() const noexcept { return received_signal.load(); }

int StopSignal::descriptor() const noexcept { return event.load(); }

}  // namespace interlock::cli
