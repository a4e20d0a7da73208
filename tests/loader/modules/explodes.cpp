// explodes.cpp: a module whose static initialiser or destructor throws when the test wants it.
//
// SPDX-License-Identifier: MIT
#include <stdexcept>

#include <interlock/module.h>

#include "observe.h"

namespace {

int initialise() {
    if (observe("explodes:constructor") != 0) throw std::runtime_error("settings.ini is missing");
    return 1;
}
const int initialised = initialise();

__attribute__((destructor)) void destroy() {
    if (observe("explodes:destructor") != 0) throw 1;
}

il_status value(il_call*, const il_value*, size_t, il_value* result) {
    *result = il_int64(initialised);
    return IL_OK;
}
const il_method methods[] = {{"value", value, nullptr}, {nullptr, nullptr, nullptr}};

}  // namespace

IL_MODULE(explodes, "explodes", "1", IL_MODULE_THREADING, nullptr, 0, methods, nullptr, nullptr);
