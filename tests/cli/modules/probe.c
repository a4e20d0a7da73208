/* Functions with which the tests of `interlock run` see what arrives and what comes back.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>
#include <string.h>

static il_status echo(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 1) return il_raise(call, IL_ERROR_ARGUMENT, "echo(value) takes one value");
    *result = args[0];
    return IL_OK;
}

static il_status list(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    *result = il_items(args, nargs);
    return IL_OK;
}

/* The size of octets or a text, the number of items of a list. */
static il_status size(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs == 1 && args[0].type == IL_BYTES)
        *result = il_int64((int64_t)args[0].as.bytes.size);
    else if (nargs == 1 && args[0].type == IL_STRING)
        *result = il_int64((int64_t)args[0].as.string.size);
    else if (nargs == 1 && args[0].type == IL_LIST)
        *result = il_int64((int64_t)args[0].as.list.count);
    else
        return il_raise(call, IL_ERROR_ARGUMENT, "size(value) takes octets, a text or a list");
    return IL_OK;
}

/* As size(), but fails for content that begins with "bad". */
static il_status picky(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs == 1 && args[0].type == IL_BYTES && args[0].as.bytes.size >= 3 &&
        memcmp(args[0].as.bytes.data, "bad", 3) == 0)
        return il_raise(call, IL_ERROR_FAILED, "content is \033bad");
    return size(call, args, nargs, result);
}

/* join(accumulated text or null, next) -> accumulated + next as digits + ';': shows the order of a fold. Fails at 13.
 */
static il_status join(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    char digits[24];
    size_t used = sizeof digits, before, total;
    char *text;
    int64_t number;
    if (nargs != 2 || args[1].type != IL_INT64 || (args[0].type != IL_NULL && args[0].type != IL_STRING))
        return il_raise(call, IL_ERROR_ARGUMENT, "join(accumulated, number)");
    number = args[1].as.int64;
    if (number == 13) return il_raise(call, IL_ERROR_FAILED, "13 brings bad luck");
    digits[--used] = ';';
    do digits[--used] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    before = args[0].type == IL_STRING ? args[0].as.string.size : 0;
    total = before + sizeof digits - used;
    text = il_alloc(call, total, 1);
    if (text == NULL) return IL_ERROR_MEMORY;
    if (before != 0) memcpy(text, args[0].as.string.data, before);
    memcpy(text + before, digits + used, sizeof digits - used);
    *result = il_text(text, total);
    return IL_OK;
}

static il_status talk(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args;
    (void)nargs;
    (void)result;
    il_log(call, IL_LOG_DEBUG, "a detail");
    il_log(call, IL_LOG_INFO, "some news");
    il_log(call, IL_LOG_WARNING, "careful\n");
    return il_warn(call, "%s", "the probe warns");
}

static const il_method methods[] = {{"echo", echo, "echo(value) -> value"},
                                    {"list", list, "list(values...) -> list"},
                                    {"size", size, "size(value) -> int"},
                                    {"picky", picky, "picky(bytes) -> int"},
                                    {"join", join, "join(accumulated, next) -> text"},
                                    {"talk", talk, "talk(value) -> null; logs and warns"},
                                    {NULL, NULL, NULL}};
IL_MODULE(probe, "probe", "1.0", FREE, NULL, 0, methods, NULL, NULL);
