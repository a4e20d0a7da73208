// model_interlock.cpp: interlock's own services, as an init function of the legacy kind sees them.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <cstddef>

#include <interlock/module.h>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

void module_create(I& in) { in.result(in.new_module_object({.definition = in.argument(1)})); }

void set_threading(I& in) {
    const auto level = static_cast<il_threading>(in.argument(1));
    in.add_set_gil(in.argument(0), level);
    // What the loader says of a level that it does not know.
    in.result(level > IL_THREADING_FREE ? IL_ERROR_ARGUMENT : IL_OK);
}

void current_call(I& in) {
    const std::uint64_t call = in.guest().new_object(sizeof(il_call));
    in.guest().set_word(call + offsetof(il_call, host), in.argument(0));
    in.result(call);
}

void raise(I& in) {
    in.raise(in.guest().text(in.argument(2)).value_or("an error"));
    in.result(in.argument(1));
}

void error_message(I& in) { in.result(in.guest().new_text("")); }
void alloc(I& in) { in.result(in.guest().allocate(std::max<std::uint64_t>(in.argument(1), 1))); }
void nothing(I&) {}

// Of others it is only known that they succeed or fail.
void any(I& in) {
    in.assume("a service of interlock");
    in.result(in.likely() ? IL_OK : IL_ERROR_FAILED);
}

}  // namespace

InterlockService interlock_service(std::size_t offset) noexcept {
    struct Entry {
        std::size_t offset;
        InterlockService service;
    };
    static constexpr std::array known = {Entry{offsetof(il_host, raise), {"il_raise", raise}},
                                         Entry{offsetof(il_host, error_message), {"il_error_message", error_message}},
                                         Entry{offsetof(il_host, alloc), {"il_alloc", alloc}},
                                         Entry{offsetof(il_host, detach), {"il_detach", nothing}},
                                         Entry{offsetof(il_host, attach), {"il_attach", nothing}},
                                         Entry{offsetof(il_host, safe_point), {"il_safe_point", nothing}},
                                         Entry{offsetof(il_host, critical_begin), {"il_critical_begin", nothing}},
                                         Entry{offsetof(il_host, critical_end), {"il_critical_end", nothing}},
                                         Entry{offsetof(il_host, log), {"il_log", nothing}},
                                         Entry{offsetof(il_host, current_call), {"il_current_call", current_call}},
                                         Entry{offsetof(il_host, module_create), {"il_module_create", module_create}},
                                         Entry{offsetof(il_host, set_threading), {"il_set_threading", set_threading}}};
    const auto found = std::ranges::find(known, offset, &Entry::offset);
    return found != known.end() ? found->service : InterlockService{"a service of interlock", any};
}

}  // namespace interlock::auditing::emulation

#endif
