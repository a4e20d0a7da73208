// call_guard.cpp: the handlers that run when the process ends, and the thread that watches how long calls take.
// Handlers allocate nothing, take no lock, and act in the guarded process alone, not in a child of it.
//
// SPDX-License-Identifier: MIT
#include "call_guard.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds first_stall = 5s;  // then each time twice as long
constexpr std::chrono::nanoseconds longest_pause = 200ms;

std::atomic<pid_t> guarded_process{0};  // 0: none
static_assert(std::atomic<pid_t>::is_always_lock_free, "signal handlers need it");

bool is_guarded() noexcept {
    const pid_t process = guarded_process.load();
    return process != 0 && process == ::getpid();
}

// Not by exit(): other threads run module code, and must not see static objects being destroyed.
[[noreturn]] void end_process(int status) noexcept {
    for (FILE* stream : {stdout, stderr}) {
        if (::ftrylockfile(stream) != 0) continue;
        std::fflush(stream);
        ::funlockfile(stream);
    }
    for (;;) ::syscall(SYS_exit_group, status);
}

void ended_by(const char* function, std::optional<int> status) noexcept {
    if (!is_guarded()) return;
    Line line;
    line.add(function).add("(");
    if (status) line.add_number(*status);
    line.add(") was called ");
    add_place(line);
    end_for_module(line);
}

#ifdef __GLIBC__
void at_exit(int status, void*) { ended_by("exit", status); }
#else
void at_exit() { ended_by("exit", std::nullopt); }
#endif
void at_quick_exit() { ended_by("quick_exit", std::nullopt); }

struct FatalSignal {
    int number;
    const char* text;
    bool comes_again;  ///< when the handler returns to the instruction that caused it
    struct sigaction before{};
};
std::array<FatalSignal, 7> fatal_signals = {{{SIGSEGV, "SIGSEGV (invalid memory access)", true},
                                             {SIGBUS, "SIGBUS (invalid memory access)", true},
                                             {SIGILL, "SIGILL (invalid instruction)", true},
                                             {SIGFPE, "SIGFPE (invalid arithmetic)", true},
                                             {SIGABRT, "SIGABRT (abort)", false},
                                             {SIGTRAP, "SIGTRAP (trap)", false},
                                             {SIGSYS, "SIGSYS (forbidden system call)", false}}};
std::atomic_flag has_spoken;

extern "C" void on_fatal_signal(int number, siginfo_t* info, void*) {
    const int saved = errno;
    FatalSignal* signal = fatal_signals.data();
    while (signal->number != number) ++signal;
    if (is_guarded() && !has_spoken.test_and_set()) {
        Line line;
        line.add("interlock: error: ").add(signal->text).add(" ");
        add_place(line);
        line.add("; the process ends by it. A debugger, or the core file, shows where");
        line.write();
    }
    ::sigaction(number, &signal->before, nullptr);
    // Delivered when this returns; status and core file are then what they would have been.
    if (!signal->comes_again || info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), number);
    errno = saved;
}

/// The stack for signal handlers of one thread. Another one that is there already stays.
class SignalStack {
public:
    SignalStack() {
        stack_t old{};
        if (::sigaltstack(nullptr, &old) != 0 || (old.ss_flags & SS_DISABLE) == 0) return;
        void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return;  // a stack overflow then goes unnamed
        memory_ = memory;
        const stack_t ours{memory, 0, size};
        ::sigaltstack(&ours, nullptr);
    }
    ~SignalStack() {
        stack_t now{};
        if (memory_ == nullptr || ::sigaltstack(nullptr, &now) != 0 || now.ss_sp != memory_) return;
        const stack_t none{nullptr, SS_DISABLE, 0};
        if (::sigaltstack(&none, nullptr) == 0) ::munmap(memory_, size);
    }
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;

private:
    static constexpr std::size_t size = 64 * 1024;
    void* memory_ = nullptr;
};

std::string in_seconds(std::chrono::nanoseconds time) {
    return fmt::format("{:g} s", std::chrono::duration<double>(time).count());
}

}  // namespace

void prepare_this_thread() { thread_local const SignalStack stack; }

void end_for_module(Line& line) noexcept {
    Line message;
    message.add("interlock: error: ").add(line.text());
    message.add(
        "; the command ends with it, and results that were not written are lost. A module must return an error "
        "instead of ending its process (interlock explain ");
    message.add_number(exit_module).add(")");
    message.write();
    end_process(exit_module);
}

CallGuard::CallGuard(std::optional<std::chrono::nanoseconds> limit,
                     std::function<void(const std::string& module, std::string text)> on_stall)
    : limit_(limit), on_stall_(std::move(on_stall)) {
    [[maybe_unused]] static const bool once = [] {
#ifdef __GLIBC__
        ::on_exit(at_exit, nullptr);
#else
        std::atexit(at_exit);
#endif
        std::at_quick_exit(at_quick_exit);
        return true;
    }();
    for (FatalSignal& signal : fatal_signals) {
        struct sigaction action{};
        action.sa_sigaction = on_fatal_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        ::sigaction(signal.number, &action, &signal.before);
    }
    guarded_process.store(::getpid());
    thread_ = std::thread([this] { watch(); });
}

CallGuard::~CallGuard() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    guarded_process.store(0);
    for (const FatalSignal& signal : fatal_signals) {
        struct sigaction now{};
        if (::sigaction(signal.number, nullptr, &now) == 0 && now.sa_sigaction == on_fatal_signal)
            ::sigaction(signal.number, &signal.before, nullptr);
    }
}

void CallGuard::watch() {
    const std::chrono::nanoseconds pause =
        limit_ ? std::clamp<std::chrono::nanoseconds>(*limit_ / 4, 1ms, longest_pause) : longest_pause;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, pause, [this] { return ended_; })) look(std::chrono::steady_clock::now());
}

void CallGuard::look(std::chrono::steady_clock::time_point now) {
    const auto for_each_call = [](const auto& body) {
        for (CallRecord* record = all_call_records(); record != nullptr; record = record->next) {
            while (record->busy.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
            if (record->under_way)
                body(*record, record->slot != nullptr && record->slot->site.load(std::memory_order_acquire) != nullptr);
            record->busy.clear(std::memory_order_release);
        }
    };
    // Who waits for a lock that another call has, or for the import that another thread makes, is not to blame.
    bool somebody_is_inside = false;
    for_each_call([&](const CallRecord&, bool is_inside) { somebody_is_inside = somebody_is_inside || is_inside; });
    std::vector<std::pair<std::string, std::string>> stalls;
    for_each_call([&](CallRecord& record, bool is_inside) {
        if (!is_inside && somebody_is_inside) {
            record.outside = now;
            return;
        }
        const std::chrono::nanoseconds time = now - record.outside;
        if (limit_ && time > *limit_) {
            Line line;
            line.add("interlock: error: a call took longer than the ").add(in_seconds(*limit_)).add(" of --timeout, ");
            add_place(line, record);
            line.add("; the command ends, and results that were not written are lost");
            line.write();
            end_process(exit_timeout);
        }
        const std::chrono::nanoseconds next = std::max(record.next_report, first_stall);
        if (time < next) return;
        record.next_report = 2 * next;
        Line line;
        line.add("a call has not returned for ").add(in_seconds(next)).add(", ");
        add_place(line, record);
        line.add("; the command waits. Interrupt it, or give --timeout SECONDS, if that will not end");
        stalls.emplace_back(record.module, line.text());
    });
    for (auto& [module, text] : stalls) on_stall_(module, std::move(text));
}

}  // namespace interlock::cli

// A module's call of these is found here, as the program's symbols come first. The library's own exit() does not pass
// through.
extern "C" __attribute__((visibility("default"), noreturn)) void _exit(int status) {
    interlock::cli::ended_by("_exit", status);
    for (;;) ::syscall(SYS_exit_group, status);
}
extern "C" __attribute__((visibility("default"), noreturn)) void _Exit(int status) noexcept { ::_exit(status); }
