/* unmarked.c: a module without a marker.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

IL_MODULE_UNMARKED(unmarked, "sample.unmarked", "1.0", NULL, 0, NULL, NULL, NULL);
