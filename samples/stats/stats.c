// stats: a package. The module of the package itself is the file stats/__init__.so; its members lie beside it.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>

static il_status mean(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 1 || args[0].type != IL_LIST || args[0].as.list.count == 0)
        return il_raise(call, IL_ERROR_ARGUMENT, "mean(numbers) takes one list that is not empty");
    double sum = 0;
    for (size_t i = 0; i < args[0].as.list.count; ++i) {
        const il_value *item = &args[0].as.list.items[i];
        if (item->type != IL_INT64 && item->type != IL_DOUBLE)
            return il_raise(call, IL_ERROR_ARGUMENT, "mean(numbers): item %zu is not a number", i);
        sum += item->type == IL_INT64 ? (double)item->as.int64 : item->as.real;
        if (i % 65536 == 0) il_safe_point(call);
    }
    *result = il_double(sum / (double)args[0].as.list.count);
    return IL_OK;
}

static const il_method methods[] = {
    {"mean", mean, "mean(numbers) -> arithmetic mean"},
    {NULL, NULL, NULL},
};

IL_MODULE(stats, "stats", "1.0", FREE, "Numbers that describe numbers.", 0, methods, NULL, NULL);
