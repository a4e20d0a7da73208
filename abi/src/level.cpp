// level.cpp: threading levels to text and back, checked against the constants that modules are compiled with.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>
#include <interlock/level.hpp>

namespace interlock {

static_assert(static_cast<il_threading>(ThreadingLevel::global_lock) == IL_THREADING_GLOBAL_LOCK);
static_assert(static_cast<il_threading>(ThreadingLevel::module_lock) == IL_THREADING_MODULE_LOCK);
static_assert(static_cast<il_threading>(ThreadingLevel::free) == IL_THREADING_FREE);

std::string_view level_name(ThreadingLevel level) noexcept {
    switch (level) {
        case ThreadingLevel::global_lock:
            return IL_THREADING_NAME_GLOBAL_LOCK;
        case ThreadingLevel::module_lock:
            return IL_THREADING_NAME_MODULE_LOCK;
        case ThreadingLevel::free:
            return IL_THREADING_NAME_FREE;
    }
    return IL_THREADING_NAME_GLOBAL_LOCK;  // a value that is none of the enumerators gets the careful reading
}

std::optional<ThreadingLevel> level_from_name(std::string_view name) noexcept {
    for (auto level : {ThreadingLevel::global_lock, ThreadingLevel::module_lock, ThreadingLevel::free}) {
        if (name == level_name(level)) return level;
    }
    return std::nullopt;
}

}  // namespace interlock
