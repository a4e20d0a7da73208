/* They return 1000 and more: nothing that the libraries themselves return without arguments. In a file of its own, so
 * that calls go by way of the dynamic linker.
 *
 * SPDX-License-Identifier: MIT */
#include "own_functions.h"

#define DEFINE_OWN(place, name) \
    int name(void) { return 1000 + place; }
FOR_EACH_OWN_FUNCTION(DEFINE_OWN)
