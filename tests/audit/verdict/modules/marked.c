/* A module of interlock with a marker, or without one when it is built as THREADING unmarked.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static const il_method methods[] = {{NULL, NULL, NULL}};
#ifdef IL_MODULE_THREADING
IL_MODULE(MARKED_ID, MARKED_NAME, "1.0", IL_MODULE_THREADING, "For a test.", 0, methods, NULL, NULL);
#else
IL_MODULE_UNMARKED(MARKED_ID, MARKED_NAME, "1.0", "For a test.", 0, methods, NULL, NULL);
#endif
