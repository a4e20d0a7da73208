// legacy_free: legacy_init made safe for threads. It keeps the single-phase form, and says from inside its init
// function that it needs no lock: the runtime leaves locked mode again after the import, without a warning. A marker
// (IL_MODULE) would say so before any code runs, and the runtime would never have been locked.
//
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L
#include <interlock/module.h>
#include <time.h>

static il_status date(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    enum { capacity = 32 };
    if (nargs != 1 || args[0].type != IL_INT64)
        return il_raise(call, IL_ERROR_ARGUMENT, "date(seconds) takes one integer");
    const time_t seconds = (time_t)args[0].as.int64;
    struct tm fields;
    char *text = il_alloc(call, capacity, 1);
    if (text == NULL) return IL_ERROR_MEMORY;
    const size_t size =
        gmtime_r(&seconds, &fields) != NULL ? strftime(text, capacity, "%Y-%m-%dT%H:%M:%SZ", &fields) : 0;
    if (size == 0) return il_raise(call, IL_ERROR_ARGUMENT, "date(seconds): the year does not fit");
    *result = il_text(text, size);
    return IL_OK;
}

static const il_method methods[] = {
    {"date", date, "date(seconds since 1970) -> ISO 8601 text, UTC"},
    {NULL, NULL, NULL},
};
static const il_module_def definition = {sizeof(il_module_def),
                                         IL_ABI_VERSION,
                                         0,
                                         "legacy_free",
                                         "1.0",
                                         "Dates, for any number of threads.",
                                         0,
                                         methods,
                                         NULL,
                                         NULL};

IL_LEGACY_MODULE(legacy_free) {
    il_module *module = il_module_create(host, &definition);
    if (module == NULL || il_set_threading(host, module, IL_THREADING_FREE) != IL_OK) return NULL;
    return module;
}
