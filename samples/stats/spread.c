// stats.spread: a member of a package, in the file stats/spread.so. It calls another module: what it needs of it is
// looked up once, on import, and kept in the state of the module.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>

typedef struct state {
    il_callable *mean;
} state;

static il_status exec(il_call *call) {
    state *own = call->state;
    il_module *stats;
    const il_status status = il_import(call, "stats", &stats);
    return status == IL_OK ? il_find(call, stats, "mean", &own->mean) : status;
}

static il_status variance(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    const state *own = call->state;
    il_value mean;
    const il_status status = il_invoke(call, own->mean, args, nargs, &mean);  // checks the numbers, too
    if (status != IL_OK) return il_raise(call, status, "variance(numbers): %s", il_error_message(call));
    double sum = 0;
    for (size_t i = 0; i < args[0].as.list.count; ++i) {
        const il_value *item = &args[0].as.list.items[i];
        const double distance = (item->type == IL_INT64 ? (double)item->as.int64 : item->as.real) - mean.as.real;
        sum += distance * distance;
        if (i % 65536 == 0) il_safe_point(call);
    }
    *result = il_double(sum / (double)args[0].as.list.count);
    return IL_OK;
}

static const il_method methods[] = {
    {"variance", variance, "variance(numbers) -> mean squared distance from the mean"},
    {NULL, NULL, NULL},
};

IL_MODULE(spread, "stats.spread", "1.0", FREE, "How far numbers are apart.", sizeof(state), methods, exec, NULL);
