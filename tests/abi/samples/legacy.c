/* legacy.c: a single-phase module: an init function and no marker.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static const il_module_def def = {sizeof(il_module_def), IL_ABI_VERSION, 0, "legacy", "1.0", NULL, 0, NULL, NULL, NULL};

IL_LEGACY_MODULE(legacy) { return il_module_create(host, &def); }
