// interlock/suggest.hpp: "did you mean": the known word that is nearest to a misspelt one.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <interlock/export.hpp>

namespace interlock {

/// The word of `known` nearest to `word` by edit distance (insert, delete, replace, swap neighbours; upper and lower
/// case, and '-' and '_', count as equal), if it is near enough to be a misspelling: at most one edit for every three
/// bytes. The first of equals. Points into `known`. [any-thread]
IL_API std::optional<std::string_view> nearest_word(std::string_view word, std::span<const std::string_view> known);

/// "did you mean 'free'?" if a word is near enough, else "known: a, b, c". For the end of a message. [any-thread]
IL_API std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace interlock
