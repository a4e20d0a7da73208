/* A module with functions of its own that have the names of well-known libraries' (own_functions.c).
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

#include "own_functions.h"

static il_status ask(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    il_value *items = il_alloc(call, OWN_FUNCTIONS * sizeof(il_value), sizeof(void *));
    (void)args;
    (void)nargs;
    if (items == NULL) return IL_ERROR_MEMORY;
#define ASK(place, name) items[place] = il_int64(name());
    FOR_EACH_OWN_FUNCTION(ASK)
    *result = il_items(items, OWN_FUNCTIONS);
    return IL_OK;
}

static const il_method methods[] = {{"ask", ask, "ask(...) -> what each function returns"}, {NULL, NULL, NULL}};
IL_MODULE(own_libraries, "own_libraries", "1.0", FREE, NULL, 0, methods, NULL, NULL);
