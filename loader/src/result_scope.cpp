// Scopes for results inside a call (il_scope_begin): each has a Scope of its own, and the call the innermost one.
//
// SPDX-License-Identifier: MIT
#include <new>

#include "module_record.hpp"

struct il_scope {
    interlock::Scope results;
    interlock::Scope* outer;  // of the call before
    il_scope* before;         // null: `outer` is the one that the caller provides
};

namespace interlock::detail {

il_scope* open_scope(Invocation& call) noexcept {
    auto* opened = new (std::nothrow) il_scope{{}, call.scope, call.open_scopes == 0 ? nullptr : call.innermost};
    if (opened == nullptr) return nullptr;
    call.scope = &opened->results;
    call.innermost = opened;
    ++call.open_scopes;
    return opened;
}

void close_scope(Invocation& call) noexcept {
    il_scope* const closed = call.innermost;
    call.scope = closed->outer;
    --call.open_scopes;
    call.innermost = closed->before;
    // What was said in it is what the call has to say.
    if (closed->results.error_code() != IL_OK)
        call.scope->set_error(closed->results.error_code(), closed->results.error_message());
    delete closed;
}

}  // namespace interlock::detail
