/* versioned.c: a module in two versions: `changed` has another signature in each, `old` and `new` are in one only.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <interlock/module.h>

#include "observe.h"

static il_status version(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call, (void)args, (void)nargs;
    *result = il_int64(VERSION);
    return IL_OK;
}

static il_status text(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    static char buffer[16];
    (void)call, (void)args, (void)nargs;
    snprintf(buffer, sizeof buffer, "version %d", VERSION);
    *result = il_text(buffer, strlen(buffer));
    return IL_OK;
}

/* Tells the test that it is inside, and that it leaves. */
static il_status stay(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args, (void)nargs;
    IL_BEGIN_ALLOW_THREADS(call)
    observe("versioned:stay");
    IL_END_ALLOW_THREADS
    *result = il_int64(VERSION);
    return IL_OK;
}

static const il_method methods[] = {{"version", version, "version() -> int\nThe one that answers."},
                                    {"text", text, NULL},
                                    {"stay", stay, "stay() -> int"},
#if VERSION == 1
                                    {"changed", version, "changed() -> int"},
                                    {"old", version, "old() -> int"},
#else
                                    {"changed", version, "changed(deep) -> int"},
                                    {"new", version, "new() -> int"},
#endif
                                    {NULL, NULL, NULL}};

static il_status exec(il_call *call) {
    const int status = observe("versioned:exec");
    return status == 0 ? IL_OK : il_raise(call, status, "as the test wants it");
}

IL_MODULE(versioned, "versioned", "1.0", IL_MODULE_THREADING, "Has versions.", 0, methods, exec, NULL);
