// python_interpreter.cpp: --python, then INTERLOCK_PYTHON, then PATH. It is asked by a program on its command line,
// with no stdin, and its answer read from a pipe to the end.
//
// SPDX-License-Identifier: MIT
#include "python_interpreter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include <interlock/audit.hpp>
#include <interlock/escape.hpp>

#include "exit_codes.hpp"

extern char** environ;

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array<const char*, 3> known_names = {"python3.15t", "python3.14t", "python3.13t"};

bool can_run(const fs::path& file) {
    std::error_code unknown;
    return fs::is_regular_file(file, unknown) && ::access(file.c_str(), X_OK) == 0;
}

std::optional<std::string> on_path(const std::string& name) {
    const char* variable = std::getenv("PATH");
    const std::string path = variable == nullptr ? "/usr/local/bin:/usr/bin:/bin" : variable;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const fs::path folder = end == begin ? "." : path.substr(begin, end - begin);
        if (can_run(folder / name)) return (folder / name).string();
        begin = end + 1;
    }
    return std::nullopt;
}

std::string named(const std::string& text, std::string_view source) {
    std::error_code unknown;
    if (fs::is_directory(text, unknown)) {
        const fs::path inside = fs::path(text) / "bin" / "python";
        if (can_run(inside)) return inside.string();
        throw CommandError(exit_unreadable, fmt::format("{} {} is a folder without bin/python; give the interpreter, "
                                                        "or the folder of a virtual environment",
                                                        source, quoted(text, 4096)));
    }
    if (text.find('/') != text.npos) {
        if (can_run(text)) return text;
        throw CommandError(exit_unreadable,
                           fmt::format("{} {} is no program that can be run", source, quoted(text, 4096)));
    }
    if (const auto found = on_path(text)) return *found;
    if (const auto version = python_version_from_text(text)) {
        if (const auto found = on_path("python" + version->text())) return *found;
    }
    throw CommandError(exit_unreadable,
                       fmt::format("{} {} is neither a file nor a program on PATH", source, quoted(text, 4096)));
}

class Pipe {
public:
    Pipe() {
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
            throw CommandError(exit_unreadable, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    }
    ~Pipe() {
        close_writer();
        ::close(ends_[0]);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    int reader() const noexcept { return ends_[0]; }
    int writer() const noexcept { return ends_[1]; }
    void close_writer() noexcept {
        if (ends_[1] != -1) ::close(std::exchange(ends_[1], -1));
    }

private:
    std::array<int, 2> ends_{-1, -1};
};

}  // namespace

std::string find_interpreter(const std::optional<std::string>& given) {
    if (given) return named(*given, "--python");
    if (const char* variable = std::getenv("INTERLOCK_PYTHON"); variable != nullptr && *variable != '\0')
        return named(variable, "INTERLOCK_PYTHON");
    for (const char* name : known_names)
        if (const auto found = on_path(name)) return *found;
    throw CommandError(exit_unreadable,
                       fmt::format("there is no free-threaded Python on PATH (looked for {}, {} and {}); name one with "
                                   "--python or INTERLOCK_PYTHON",
                                   known_names[0], known_names[1], known_names[2]));
}

Answer ask_interpreter(const std::string& interpreter, const std::vector<std::string>& arguments) {
    std::vector<char*> words{const_cast<char*>(interpreter.c_str())};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);

    Pipe pipe;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe.writer(), STDOUT_FILENO);
    pid_t child = 0;
    const int problem = ::posix_spawn(&child, interpreter.c_str(), &actions, nullptr, words.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (problem != 0)
        throw CommandError(exit_unreadable,
                           fmt::format("cannot run {}: {}", quoted(interpreter, 4096), std::strerror(problem)));
    pipe.close_writer();

    Answer answer;
    std::array<char, 64 * 1024> chunk;
    for (;;) {
        const ssize_t size = ::read(pipe.reader(), chunk.data(), chunk.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        answer.out.append(chunk.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return answer;
}

}  // namespace interlock::cli
