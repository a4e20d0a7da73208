// The module that the benchmarks import and call: functions that do next to nothing. With BENCH_LOCK a second one, that
// has a lock of its own.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>

static il_status nothing(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    (void)args;
    (void)nargs;
    (void)result;
    return IL_OK;
}

static il_status add(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    (void)nargs;
    *result = il_int64(args[0].as.int64 + args[1].as.int64);
    return IL_OK;
}

static il_status same(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    (void)nargs;
    *result = args[0];
    return IL_OK;
}

static const il_method methods[] = {{"nothing", nothing, "Does nothing."},
                                    {"add", add, "add(a, b) -> int"},
                                    {"same", same, "same(value) -> value"},
                                    {NULL, NULL, NULL}};

#ifdef BENCH_LOCK
IL_MODULE(bench_lock, "bench_lock", "1.0", MODULE_LOCK, "For benchmarks.", 0, methods, NULL, NULL);
#else
IL_MODULE(bench_module, "bench_module", "1.0", FREE, "For benchmarks.", 0, methods, NULL, NULL);
#endif
