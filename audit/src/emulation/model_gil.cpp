// model_gil.cpp: PyUnstable_Module_SetGIL, by which a module with single-phase initialisation states its marker.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

void set_gil(I& in) {
    const std::uint64_t module = in.argument(0);
    if (!in.is_module(module) && in.type_of(module) != in.named_type("PyModule_Type") && in.origin(module) == nullptr) {
        in.raise("SystemError: the argument of PyUnstable_Module_SetGIL must be a module");
        return in.result(~std::uint64_t{0});
    }
    in.add_set_gil(in.argument(0), in.argument(1));
    in.result(0);
}

constexpr std::array table = {ModelEntry{"PyUnstable_Module_SetGIL", set_gil}};

}  // namespace

std::span<const ModelEntry> model_gil() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
