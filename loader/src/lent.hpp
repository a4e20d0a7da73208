// What a call is given may belong to a module that somebody wants to unload meanwhile. Lent counts the thread as inside
// that module, so that unloading waits for it as it waits for a call.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "module_record.hpp"

namespace interlock::detail {

/// For a scope on the stack of the thread, as counts inside a module are nested.
class Lent {
public:
    /// `callee`: the module that is called, whose gate counts the call anyway; null for none.
    explicit Lent(const ModuleRecord* callee = nullptr) : slot_(own_slot()), callee_(callee) {}
    ~Lent();
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

    /// Holds the owners of all buffers and handles in the values. Errors: unloaded (memory that is gone, or a module
    /// that is just being unloaded), invalid_argument (without end, as in a list that contains itself).
    Outcome add(std::span<const il_value> values);
    /// Error: unloaded (memory, or an object, that is gone).
    Outcome add(const Value& value);
    /// The owner of one handle. False if the object is gone, or is about to go.
    bool add(const il_handle* handle);

    /// The modules that it holds.
    const std::vector<ModuleRecord*>& owners() const noexcept { return owners_; }

private:
    Outcome add(const il_value& value, int depth);

    ThreadSlot* slot_;
    const ModuleRecord* callee_;
    std::vector<ModuleRecord*> owners_;
    std::size_t left_ = std::size_t{1} << 26;  // values to look at, where one that is shared counts each time
};

/// Whether there is anything that Lent has to look at. On each call's way, so without a branch for each argument.
inline bool lends(std::span<const il_value> args) noexcept {
    bool found = false;
    for (const il_value& arg : args) found |= arg.type >= IL_BUFFER;
    return found;
}

}  // namespace interlock::detail
