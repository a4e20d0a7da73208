/* library.c: a library that is no module, or one of CPython (LIBRARY_PYTHON); tells when it is mapped and unmapped.
 *
 * SPDX-License-Identifier: MIT */
#include "observe.h"

#define NAME TEST_TEXT(LIBRARY_NAME)

__attribute__((constructor)) static void constructed(void) { observe(NAME ":constructor"); }
__attribute__((destructor)) static void destructed(void) { observe(NAME ":destructor"); }

#ifdef LIBRARY_PYTHON
__attribute__((visibility("default"))) void *PyInit_pymod(void);
void *PyInit_pymod(void) { return 0; }
#endif
