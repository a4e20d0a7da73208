// interlock/escape.hpp: text from files, names and modules made safe to print.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <interlock/export.hpp>

namespace interlock {

/// `text` with control characters, DEL, backslash-ambiguity and invalid UTF-8 shown as \n, \t, \xNN, and bidirectional
/// override characters as \u{NNNN}; cut to `limit` bytes of output with "..." behind it. Valid printable UTF-8 stays.
/// [any-thread]
IL_API std::string escape(std::string_view text, std::size_t limit = 400);

/// quoted(text, limit): escape() between single quotes, for names and values inside messages; a single quote in the
/// text is shown as \'. An object and not a function, because argument-dependent lookup would find std::quoted for a
/// string. [any-thread]
struct Quoted {
    IL_API std::string operator()(std::string_view text, std::size_t limit = 400) const;
};
inline constexpr Quoted quoted;

}  // namespace interlock
