// marker_error.hpp: the one form in which a malformed marker is reported.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <interlock/result.hpp>

namespace interlock {

/// malformed_marker: the note at `offset` of `file` breaks the rules, for this reason (already escaped).
Error marker_error(const std::string& file, std::uint64_t offset, const std::string& reason);

}  // namespace interlock
