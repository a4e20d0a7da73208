// base/python_tag.hpp: the version of CPython in tags of files and of wheels, and how both are taken apart.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace interlock::base {

struct PythonTag {
    unsigned major = 0, minor = 0;
    bool free_threaded = false;
};
/// "313", "313t", "314td", "38", "27mu": what stands behind "cp" or "cpython-". The first digit is the major version,
/// up to three more are the minor one; nullopt for what is none. [any-thread]
std::optional<PythonTag> read_python_tag(std::string_view text) noexcept;

/// "a.b..c" at '.' is "a", "b", "", "c"; an empty text is one empty part. [any-thread]
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace interlock::base
