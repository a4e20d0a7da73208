// What becomes of a warning: filters, once for each module, the callback or stderr.
//
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <new>

#include "loader_state.hpp"

namespace interlock::detail {

WarningAction LoaderState::action_for(WarningCategory category, std::string_view module) const noexcept {
    return resolve_warning(filters, category, module);
}

void LoaderState::issue(const Warning& warning) noexcept {
    const WarningAction action = action_for(warning.category, warning.module);
    {
        std::lock_guard guard(mutex);
        const bool seen = !remember(warning);
        if (action == WarningAction::ignore || (seen && action != WarningAction::always)) {
            ++warnings_suppressed;
            return;
        }
        ++warnings_issued;
    }
    const NoCancellation guarded;
    Detached outside;  // the callback may do anything
    if (options.on_warning) {
        try {
            options.on_warning(warning);
            return;
        } catch (...) {
            // There may be frames of C below, so it ends here; the warning must not get lost.
            hold_back("LoaderOptions::on_warning");
        }
    }
    try {
        std::fputs(warning.text().c_str(), stderr);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "interlock: warning: %s\n", warning.headline.c_str());
    }
}

// A module may warn with another text each time, and reports of a stall differ in the time that they have waited.
bool LoaderState::remember(const Warning& warning) noexcept {
    constexpr std::size_t max_warned = 10'000;
    try {
        if (warned.size() >= max_warned) warned.clear();
        return warned.insert({warning.category, warning.module + '\n' + warning.headline}).second;
    } catch (const std::bad_alloc&) {
        return true;
    }
}

}  // namespace interlock::detail
