// version.cpp: the version, and for -VV what a report of a bug should have: compiler, oneTBB, and what the kernel can
// do.
//
// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <fmt/format.h>
#include <oneapi/tbb/version.h>

#include <interlock/runtime.hpp>
#include <interlock/version.hpp>

namespace interlock::cli {

std::string compiler() {
#if defined(__clang__)
    return fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string tbb_version() {
    return fmt::format("{} (interface {})", TBB_VERSION_STRING, TBB_runtime_interface_version());
}

std::string version_text(bool how_it_was_built) {
    if (!how_it_was_built) return "interlock " INTERLOCK_VERSION "\n";
    const Runtime runtime;
    return fmt::format("interlock {}{} [{}]\noneTBB {}, membarrier {}\n", INTERLOCK_VERSION,
                       is_free_threading_build() ? " free-threading build" : "", compiler(), tbb_version(),
                       runtime.stats().membarrier ? "yes" : "no");
}

}  // namespace interlock::cli
