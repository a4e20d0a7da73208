/* A single-phase module, which declares itself free from inside its init function.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static const il_module_def definition = {
    sizeof(il_module_def), IL_ABI_VERSION, 0, "legacy", "0.9", NULL, 0, NULL, NULL, NULL};

IL_LEGACY_MODULE(legacy) {
    il_module *module = il_module_create(host, &definition);
    if (module != NULL && il_set_threading(host, module, IL_THREADING_FREE) != IL_OK) return NULL;
    return module;
}
