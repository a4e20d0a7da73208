/* The smallest module there is; built in the install test with CMake and with a bare compiler.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static il_status add(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 2 || args[0].type != IL_INT64 || args[1].type != IL_INT64)
        return il_raise(call, IL_ERROR_ARGUMENT, "add(a, b) takes two integers");
    *result = il_int64(args[0].as.int64 + args[1].as.int64);
    return IL_OK;
}

static const il_method methods[] = {{"add", add, "add(a, b) -> int"}, {NULL, NULL, NULL}};
IL_MODULE(adder, "adder", "1.0", FREE, "Adds.", 0, methods, NULL, NULL);
