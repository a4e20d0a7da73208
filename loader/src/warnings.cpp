// What becomes of a warning: filters, once for each module, the callback or stderr.
//
// SPDX-License-Identifier: MIT
#include <cstdio>

#include "loader_state.hpp"

namespace interlock::detail {

WarningAction LoaderState::action_for(const Warning& warning) const {
    return resolve_warning(filters, warning.category, warning.module);
}

void LoaderState::issue(const Warning& warning) {
    const WarningAction action = action_for(warning);
    {
        std::lock_guard guard(mutex);
        const bool seen = !warned.insert({warning.category, warning.module + '\n' + warning.headline}).second;
        if (action == WarningAction::ignore || (seen && action != WarningAction::always)) {
            ++warnings_suppressed;
            return;
        }
        ++warnings_issued;
    }
    Detached outside;  // the callback may do anything
    if (options.on_warning)
        options.on_warning(warning);
    else
        std::fputs(warning.text().c_str(), stderr);
}

}  // namespace interlock::detail
