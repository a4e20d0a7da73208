/* two.c: two modules in one file, of different levels and with names of different length.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

IL_MODULE(one, "pair.one", "1", FREE, NULL, 0, NULL, NULL, NULL);
IL_MODULE(two, "pair.two_with_a_longer_name", "2.0", GLOBAL_LOCK, NULL, 0, NULL, NULL, NULL);
