// interlock/gil_option.hpp: the user's choice about the global lock, from the environment and the command line, with
// CPython's rules (Python/initconfig.c, config_read_gil; docs: PYTHON_GIL, -X gil).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/export.hpp>
#include <interlock/result.hpp>

namespace interlock {

enum class GilSetting : std::uint8_t {
    automatic,  ///< unset: fall back when a module needs it
    off,        ///< "0": never falls back, whatever a module says
    on,         ///< "1": locked from the start, no warnings
};

struct GilOption {
    GilSetting setting = GilSetting::automatic;
    std::string source = "default";  ///< "INTERLOCK_GIL", "PYTHON_GIL", "-X gil" or "default"
};

/// True in a build where the global lock can be off (INTERLOCK_DISABLE_GIL=ON).
IL_API bool is_free_threading_build() noexcept;

/// Reads INTERLOCK_GIL, else PYTHON_GIL (empty counts as unset), then `x_option` (the value of -X gil=...; "" for a
/// bare -X gil) over it. The environment is checked first, so a wrong value there is an error even under a valid
/// option. Errors: invalid_option `... must be "0" or "1"`; unsupported for off in a classic build.
IL_API Result<GilOption> resolve_gil_option(std::optional<std::string_view> x_option);

}  // namespace interlock
