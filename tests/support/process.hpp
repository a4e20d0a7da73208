// process.hpp: runs a program the way a shell does, for tests of commands: arguments, environment, stdin, and what came
// out of it. The environment is empty but for what is given here and what sanitizers need.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace interlock::test {

/// What stdout or stderr of the program is.
enum class Stream { pipe, terminal, closed, broken_pipe, full };

struct Command {
    std::string program;
    std::vector<std::string> arguments = {};
    std::map<std::string, std::string> environment = {};
    std::optional<std::string> input = std::nullopt;  ///< of stdin; nullopt: /dev/null
    Stream out = Stream::pipe, err = Stream::pipe;
    unsigned short columns = 0;  ///< of terminals; 0: not known
};

struct Finished {
    int status = -1;  ///< exit status; 128 + signal if one killed it
    std::string out, err;
};

/// A running program.
class Process {
public:
    explicit Process(const Command& command) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        if (command.input) {
            const auto [read_end, write_end] = make_pipe();
            in_ = write_end;
            give(actions, read_end, STDIN_FILENO);
        } else {
            give(actions, checked(::open("/dev/null", O_RDONLY | O_CLOEXEC)), STDIN_FILENO);
        }
        out_ = attach(actions, command.out, STDOUT_FILENO, command.columns);
        err_ = attach(actions, command.err, STDERR_FILENO, command.columns);

        // A test runner may have blocked or ignored them.
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes, &signals);
        for (const int number : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&signals, number);
        posix_spawnattr_setsigdefault(&attributes, &signals);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

        std::vector<std::string> words = {command.program};
        words.insert(words.end(), command.arguments.begin(), command.arguments.end());
        std::map<std::string, std::string> environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                                          {"LC_ALL", "C.UTF-8"}};
        for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"})
            if (const char* value = std::getenv(name)) environment[name] = value;
        for (const auto& [name, value] : command.environment) environment[name] = value;
        std::vector<std::string> variables;
        for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);

        const int error = posix_spawnp(&process_, command.program.c_str(), &actions, &attributes,
                                       pointers(words).data(), pointers(variables).data());
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        for (const int fd : given_) ::close(fd);
        if (error != 0) throw std::runtime_error("cannot start " + command.program);
        pending_input_ = command.input.value_or("");
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        for (const int fd : {in_, out_, err_})
            if (fd >= 0) ::close(fd);
        if (process_ <= 0) return;
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }

    void kill(int number) const { ::kill(process_, number); }

    /// Keeps stdin open at the end of the input until finish().
    void read_until(const std::string& text_on_stdout) {
        while (result_.out.find(text_on_stdout) == std::string::npos && exchange()) {
        }
    }

    void read_errors_until(const std::string& text_on_stderr) {
        while (result_.err.find(text_on_stderr) == std::string::npos && exchange()) {
        }
    }

    Finished finish(bool close_input = true) {
        close_input_ = close_input;
        while (exchange()) {
        }
        int status = 0;
        while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
        }
        process_ = -1;
        result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return result_;
    }

private:
    static int checked(int fd) {
        if (fd < 0) throw std::runtime_error("out of file descriptors");
        return fd;
    }

    static std::vector<char*> pointers(std::vector<std::string>& texts) {
        std::vector<char*> list;
        for (std::string& text : texts) list.push_back(text.data());
        list.push_back(nullptr);
        return list;
    }

    static std::pair<int, int> make_pipe() {
        std::array<int, 2> ends{};
        checked(::pipe2(ends.data(), O_CLOEXEC));
        return {ends[0], ends[1]};
    }

    void give(posix_spawn_file_actions_t& actions, int fd, int as) {
        posix_spawn_file_actions_adddup2(&actions, fd, as);
        given_.push_back(fd);
    }

    /// The end from which the stream can be read, or -1.
    int attach(posix_spawn_file_actions_t& actions, Stream stream, int as, unsigned short columns) {
        switch (stream) {
            case Stream::closed:
                posix_spawn_file_actions_addclose(&actions, as);
                return -1;
            case Stream::full:
                give(actions, checked(::open("/dev/full", O_WRONLY | O_CLOEXEC)), as);
                return -1;
            case Stream::terminal: {
                int ours = -1, theirs = -1;
                const winsize size{24, columns, 0, 0};
                checked(::openpty(&ours, &theirs, nullptr, nullptr, columns == 0 ? nullptr : &size));
                ::fcntl(ours, F_SETFD, FD_CLOEXEC);
                ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
                give(actions, theirs, as);
                return ours;
            }
            case Stream::pipe:
            case Stream::broken_pipe:
                break;
        }
        const auto [read_end, write_end] = make_pipe();
        give(actions, write_end, as);
        if (stream == Stream::pipe) return read_end;
        ::close(read_end);
        return -1;
    }

    // Moves what can be moved; false when both streams have ended.
    bool exchange() {
        if (pending_input_.empty() && close_input_ && in_ >= 0) ::close(std::exchange(in_, -1));
        if (out_ < 0 && err_ < 0) return false;
        std::array<pollfd, 3> waiting = {{{out_, POLLIN, 0}, {err_, POLLIN, 0}, {-1, POLLOUT, 0}}};
        if (!pending_input_.empty()) waiting[2].fd = in_;
        if (::poll(waiting.data(), waiting.size(), -1) < 0) return errno == EINTR;
        if (waiting[2].revents != 0) {
            // It may have ended without having read all; the runner must survive that.
            struct sigaction ignore{}, old{};
            ignore.sa_handler = SIG_IGN;
            ::sigaction(SIGPIPE, &ignore, &old);
            const ssize_t size = ::write(in_, pending_input_.data(), pending_input_.size());
            ::sigaction(SIGPIPE, &old, nullptr);
            pending_input_.erase(0, size < 0 ? pending_input_.size() : static_cast<std::size_t>(size));
        }
        if (waiting[0].revents != 0) receive(out_, result_.out);
        if (waiting[1].revents != 0) receive(err_, result_.err);
        return true;
    }

    static void receive(int& fd, std::string& text) {
        std::array<char, 16 * 1024> chunk;
        const ssize_t size = ::read(fd, chunk.data(), chunk.size());
        if (size > 0)
            text.append(chunk.data(), static_cast<std::size_t>(size));
        else if (size == 0 || errno != EINTR)  // a terminal ends with EIO
            ::close(std::exchange(fd, -1));
    }

    pid_t process_ = -1;
    int in_ = -1, out_ = -1, err_ = -1;
    std::vector<int> given_;
    std::string pending_input_;
    bool close_input_ = false;
    Finished result_;
};

inline Finished run_process(const Command& command) { return Process(command).finish(); }

}  // namespace interlock::test
