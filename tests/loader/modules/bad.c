/* bad.c: modules that break one rule each, chosen by BAD_<rule>; all tell when their constructor and destructor run.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

#include "observe.h"

__attribute__((constructor)) static void constructed(void) { observe("bad:constructor"); }
__attribute__((destructor)) static void destructed(void) { observe("bad:destructor"); }

static il_status nothing(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call, (void)args, (void)nargs, (void)result;
    return IL_OK;
}

#if defined(BAD_MARKER_ABI)
IL_MARKER_(BAD_ID, "{\"abi\":2,\"module\":\"" TEST_TEXT(BAD_ID) "\",\"version\":\"1\",\"threading\":\"free\"}")
IL_MODULE_UNMARKED(BAD_ID, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL);
#elif defined(BAD_MARKER_JSON)
IL_MARKER_(BAD_ID, "{\"abi\":1,\"module\":\"" TEST_TEXT(BAD_ID) "\",\"version\":\"1\",\"threading\":")
IL_MODULE_UNMARKED(BAD_ID, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL);
#elif defined(BAD_MARKER_LEVEL)
/* Not wrong, but of a later version: a level that this one does not know. */
IL_MARKER_(BAD_ID, "{\"abi\":1,\"module\":\"" TEST_TEXT(BAD_ID) "\",\"version\":\"1\",\"threading\":\"per_object\"}")
IL_MODULE_UNMARKED(BAD_ID, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL);
#elif defined(BAD_MARKER_MODULE)
IL_MARKER_(BAD_ID, "{\"abi\":1,\"module\":\"somebody_else\",\"version\":\"1\",\"threading\":\"free\"}")
IL_MODULE_UNMARKED(BAD_ID, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL);
#elif defined(BAD_METHODS_NULL)
static const il_method methods[] = {{"works", nothing, NULL}, {"missing", NULL, NULL}, {NULL, NULL, NULL}};
IL_MODULE(BAD_ID, TEST_TEXT(BAD_ID), "1", FREE, NULL, 0, methods, NULL, NULL);
#elif defined(BAD_METHODS_TWICE)
static const il_method methods[] = {{"same", nothing, NULL}, {"same", nothing, NULL}, {NULL, NULL, NULL}};
IL_MODULE(BAD_ID, TEST_TEXT(BAD_ID), "1", FREE, NULL, 0, methods, NULL, NULL);
#elif defined(BAD_NAME)
IL_MODULE_UNMARKED(BAD_ID, "other\x1b[31m", "1", NULL, 0, NULL, NULL, NULL);
#elif defined(BAD_UNRESOLVED)
void interlock_test_nobody_defines_this(void);
static il_status exec(il_call *call) {
    (void)call;
    interlock_test_nobody_defines_this();
    return IL_OK;
}
IL_MODULE(BAD_ID, TEST_TEXT(BAD_ID), "1", FREE, NULL, 0, NULL, exec, NULL);
#elif defined(BAD_SYMBOL)
IL_VISIBLE int interlock_test_some_library(void);
int interlock_test_some_library(void) { return 1; }
#elif defined(BAD_DATA)
IL_EXTERN_C IL_VISIBLE const int il_module_export_bad_data;
const int il_module_export_bad_data = 7;
#elif defined(BAD_FORGOTTEN_LEGACY)
IL_LEGACY_MODULE(BAD_ID) {
    (void)host;
    return (il_module *)1; /* which it did not create */
}
#else
/* Wrong definitions, of an unmarked module where that is chosen. */
#if defined(BAD_DEF_ABI)
static const il_module_def def = {sizeof(il_module_def), 7, 0, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL};
#elif defined(BAD_DEF_SIZE)
static const il_module_def def = {8, IL_ABI_VERSION, 0, TEST_TEXT(BAD_ID), "1", NULL, 0, NULL, NULL, NULL};
#elif defined(BAD_DEF_STATE)
static const il_module_def def = {
    sizeof(il_module_def), IL_ABI_VERSION, 0, TEST_TEXT(BAD_ID), "1", NULL, (size_t)1 << 50, NULL, NULL, NULL};
#elif defined(BAD_DEF_NONAME)
static const il_module_def def = {sizeof(il_module_def), IL_ABI_VERSION, 0, NULL, "1", NULL, 0, NULL, NULL, NULL};
#endif
IL_EXTERN_C IL_VISIBLE const il_module_def *IL_CONCAT(il_module_export_, BAD_ID)(void);
const il_module_def *IL_CONCAT(il_module_export_, BAD_ID)(void) {
    (void)nothing;
#if defined(BAD_EXPORT)
    return NULL;
#else
    return &def;
#endif
}
#endif

typedef il_function bad_uses_nothing;
IL_EXTERN_C IL_VISIBLE bad_uses_nothing interlock_test_unused;
bad_uses_nothing interlock_test_unused = nothing;
