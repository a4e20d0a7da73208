// interlock/level.hpp: the threading levels of module.h as C++ and as text.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <interlock/export.hpp>

namespace interlock {

/// Values equal il_threading in module.h; a higher one gives more freedom.
enum class ThreadingLevel : std::uint8_t {
    global_lock = 0,  ///< needs the global lock; what a module without a marker gets
    module_lock = 1,  ///< one caller at a time, under its own lock
    free = 2,         ///< safe without any lock
};

/// "global_lock", "module_lock", "free": the spelling of markers, manifests, policies and JSON.
IL_API std::string_view level_name(ThreadingLevel level) noexcept;
/// The inverse; nullopt for anything else.
IL_API std::optional<ThreadingLevel> level_from_name(std::string_view name) noexcept;

}  // namespace interlock
