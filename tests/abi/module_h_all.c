/* module_h_all.c: see module_h_all.inc.
 *
 * SPDX-License-Identifier: MIT */
#include "module_h_all.inc"
