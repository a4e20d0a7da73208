/* pair.c: two modules in one file, of different levels; the second is found through a symbolic link.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

IL_MODULE(pair_free, "pair_free", "1", FREE, NULL, 0, NULL, NULL, NULL);
IL_MODULE(pair_global, "pair_global", "2", GLOBAL_LOCK, NULL, 0, NULL, NULL, NULL);
