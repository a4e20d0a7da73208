/* marked.c: a module with one function, built in many ways by the tests of the marker reader.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static il_status answer(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    (void)args;
    *result = il_int64(42 + (int64_t)nargs);
    return IL_OK;
}

static const il_method methods[] = {{"answer", answer, NULL}, {NULL, NULL, NULL}};

IL_MODULE(marked, "sample.marked", "1.2.3", IL_MODULE_THREADING, NULL, 0, methods, NULL, NULL);
