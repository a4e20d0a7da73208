/* Modules of interlock's legacy kind: what their init function says depends on SAYS.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <interlock/module.h>

static const il_method methods[] = {{NULL, NULL, NULL}};
static const il_module_def definition = {
    sizeof(il_module_def), IL_ABI_VERSION, 0, LEGACY_NAME, "1.0", "For a test.", 0, methods, NULL, NULL};

enum { NOTHING, ONE_LEVEL, TWO_LEVELS, NO_SUCH_LEVEL, BY_IMPORT, ERROR, NEVER };

il_threading levels[3] = {IL_THREADING_GLOBAL_LOCK, IL_THREADING_MODULE_LOCK, IL_THREADING_FREE};

IL_LEGACY_MODULE(LEGACY_ID) {
    il_module *module = il_module_create(host, &definition);
    char *copy = malloc(strlen(definition.name) + 1); /* the C library is at hand */
    if (module == NULL || copy == NULL) return NULL;
    strcpy(copy, definition.name);
    if (SAYS == ONE_LEVEL) il_set_threading(host, module, levels[LEVEL]);
    if (SAYS == TWO_LEVELS) {
        il_set_threading(host, module, IL_THREADING_GLOBAL_LOCK);
        il_set_threading(host, module, IL_THREADING_FREE);
    }
    if (SAYS == NO_SUCH_LEVEL) il_set_threading(host, module, 7);
    if (SAYS == BY_IMPORT) {
        il_call *call = il_current_call(host);
        il_module *other = NULL;
        if (il_import(call, "other", &other) == IL_OK) il_set_threading(host, module, IL_THREADING_FREE);
    }
    if (SAYS == ERROR) {
        il_raise(il_current_call(host), IL_ERROR_FAILED, "no licence");
        return NULL;
    }
    while (SAYS == NEVER) il_safe_point(il_current_call(host));
    return module;
}
