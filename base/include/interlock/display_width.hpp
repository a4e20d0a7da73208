// interlock/display_width.hpp: how much room text takes on a terminal, for columns and for lines that must not wrap.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <interlock/export.hpp>

namespace interlock {

/// Columns that `text`, UTF-8 without control characters, takes: two for East Asian wide characters and most emoji,
/// none for combining marks. Not by the locale, so that output does not depend on it. [any-thread]
IL_API std::size_t display_width(std::string_view text) noexcept;

/// `text`, or as much of its end as fits into `width` columns behind "...": what tells paths apart is at their end.
/// Empty when not even the dots fit. [any-thread]
IL_API std::string end_that_fits(std::string_view text, std::size_t width);

}  // namespace interlock
