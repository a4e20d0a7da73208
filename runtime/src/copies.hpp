// Copies of this library in one process: each has its own global lock and mode, so only one may be in use.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace interlock::detail {

/// Says to the other copies whether this one has a Runtime.
void tell_copies(bool has_runtime) noexcept;
/// The file of another copy that has a Runtime; nullopt if there is none.
std::optional<std::string> copy_in_use();

}  // namespace interlock::detail
