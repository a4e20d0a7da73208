/* A module with one function, built several times with different markers and names.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static il_status size(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 1 || args[0].type != IL_BYTES) return il_raise(call, IL_ERROR_ARGUMENT, "size(bytes) takes octets");
    *result = il_int64((int64_t)args[0].as.bytes.size);
    return IL_OK;
}

static const il_method methods[] = {{"size", size, "size(bytes) -> int"}, {NULL, NULL, NULL}};

#ifdef IL_MODULE_THREADING
IL_MODULE(SIMPLE_ID, SIMPLE_NAME, "1.2", IL_MODULE_THREADING, NULL, 0, methods, NULL, NULL);
#else
IL_MODULE_UNMARKED(SIMPLE_ID, SIMPLE_NAME, "1.2", NULL, 0, methods, NULL, NULL);
#endif
