// inputs_paths.cpp: a long path is opened piece by piece, folder after folder. What a file is called is asked of /proc,
// which follows links as the kernel does.
//
// SPDX-License-Identifier: MIT
#include "inputs/inputs_paths.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace interlock::auditing::inputs {
namespace {

base::Descriptor open_at(int folder, const std::string& path, int flags) {
    int number;
    do {
        number = ::openat(folder, path.c_str(), flags | O_CLOEXEC);
    } while (number < 0 && errno == EINTR);
    return base::Descriptor(number);
}

}  // namespace

base::Descriptor open_path(const std::string& path, int flags) {
    constexpr std::size_t most = PATH_MAX - 1;
    base::Descriptor folder;
    std::size_t start = 0;
    const auto at = [&] { return folder ? folder.get() : AT_FDCWD; };
    while (path.size() - start > most) {
        const std::size_t slash = path.rfind('/', start + most);
        if (slash == path.npos || slash <= start) {
            errno = ENAMETOOLONG;
            return {};
        }
        folder = open_at(at(), path.substr(start, slash - start), O_PATH | O_DIRECTORY);
        if (!folder) return {};
        start = std::min(path.find_first_not_of('/', slash), path.size());
    }
    return open_at(at(), start == path.size() && start > 0 ? "." : path.substr(start), flags);
}

std::string place_in(const struct stat& folder, const std::string& name) {
    return std::to_string(folder.st_dev) + ':' + std::to_string(folder.st_ino) + '/' + name;
}

std::optional<std::string> path_of(int descriptor) {
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    std::array<char, PATH_MAX> buffer;
    const ssize_t size = ::readlink(link.c_str(), buffer.data(), buffer.size());
    if (size < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string place_of(const std::string& path) {
    const base::Descriptor file = open_path(path, O_PATH);
    const auto real = file ? path_of(file.get()) : std::nullopt;
    if (!real) return path;
    const std::size_t slash = real->rfind('/');
    struct stat folder{};
    if (slash == real->npos || ::stat(real->substr(0, std::max<std::size_t>(slash, 1)).c_str(), &folder) != 0)
        return *real;
    return place_in(folder, real->substr(slash + 1));
}

}  // namespace interlock::auditing::inputs
