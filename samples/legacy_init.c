// legacy_init: a module of the single-phase form: one init function that does all at once, no marker in the file. The
// host cannot know what it will say, so it runs the init function in locked mode; this one says nothing, and the
// runtime stays locked. It has to: the result lies in static storage. See legacy_free for the way out.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>
#include <time.h>

static il_status date(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    static char text[32];
    if (nargs != 1 || args[0].type != IL_INT64)
        return il_raise(call, IL_ERROR_ARGUMENT, "date(seconds) takes one integer");
    const time_t seconds = (time_t)args[0].as.int64;
    const struct tm *fields = gmtime(&seconds);  // static storage of the C library
    const size_t size = fields != NULL ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", fields) : 0;
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
                                         "legacy_init",
                                         "1.0",
                                         "Dates, with static storage.",
                                         0,
                                         methods,
                                         NULL,
                                         NULL};

IL_LEGACY_MODULE(legacy_init) { return il_module_create(host, &definition); }
