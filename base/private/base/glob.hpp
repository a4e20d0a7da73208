// glob.hpp: the patterns of policies and warning filters. Over characters (UTF-8 code points):
//     *      any text, also with dots and slashes         [a-z]  one of these      [!a-z]  any other one
//     ?      any one character                            \c     the character c itself, also inside [ ]
// A ']' directly behind '[' or '[!' stands for itself, as does a ']' without '['.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace interlock::base {

/// What is wrong with a pattern.
struct GlobError {
    std::size_t offset = 0;       ///< bytes from the start of the pattern
    std::string_view what, hint;  ///< static text
};
std::optional<GlobError> check_glob(std::string_view pattern) noexcept;

/// Does the pattern match all of `text`? At most pattern size times text size steps, whatever the pattern; no memory.
/// A malformed pattern matches nothing. [any-thread]
bool glob_match(std::string_view pattern, std::string_view text) noexcept;

/// The pattern that matches exactly `text`.
std::string glob_escape(std::string_view text);

/// The only text that the pattern matches, if it has no wildcard; nullopt too if it matches none.
std::optional<std::string> glob_literal(std::string_view pattern);

}  // namespace interlock::base
