/* interlock/c_api.h: the audit for programs in C, and in languages that call C. C11 and C++.
 *
 * Texts are UTF-8. What a function returns or stores as char* belongs to the caller, who frees it with
 * interlock_free(). No function keeps a pointer that it was given. All functions may be called from any thread, also
 * at the same time; each call uses all cores unless "threads" says otherwise. None of them throws or ends the process,
 * and none runs code of the files it looks at.
 *
 * SPDX-License-Identifier: MIT */
#ifndef INTERLOCK_C_API_H
#define INTERLOCK_C_API_H

#include <stddef.h>

#ifndef INTERLOCK_C_API
#if defined(__GNUC__)
#define INTERLOCK_C_API __attribute__((visibility("default")))
#else
#define INTERLOCK_C_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Audits `count` files, folders or archives, and returns the report: the JSON of audit-report.schema.json.
 *
 * `options_json` is NULL, or a JSON object with any of these members:
 *     "pythons": ["3.14t"]        interpreters; default: those that are out
 *     "search_path": ["DIR"]      where delegation targets are looked for
 *     "policy": "FILE"            a policy as the loader takes it
 *     "baseline": "FILE"          findings that do not count
 *     "details": true             with slots, calls, instructions and hashes
 *     "threads": 2                0: one for each core
 *     "time_limit": 60            seconds for all of it; 0: none. What is not judged by then is under "errors"
 *
 * Files that cannot be read are in the report, under "errors". NULL is returned for wrong options, a wrong policy or
 * baseline, and lack of memory; then, and only then, *error is set to a message, unless `error` is NULL. */
INTERLOCK_C_API char *interlock_audit_json(const char *const *paths, size_t count, const char *options_json,
                                           char **error);

/* What an import does to a free-threaded interpreter. */
enum interlock_effect {
    INTERLOCK_KEEPS_GIL_OFF = 0,
    INTERLOCK_TURNS_GIL_ON = 1,
    INTERLOCK_CANNOT_LOAD = 2, /* the import fails: another ABI */
    INTERLOCK_CRASHES = 3,     /* it is loaded, and its objects have the wrong layout */
    INTERLOCK_UNKNOWN = 4      /* it could not be found out, or is decided by a module that was not found */
};

/* For one decision: what does importing `module` (dotted; NULL: the one that the file is named after) from the file
 * `path` do to the interpreter `python` ("3.14t")? `path` may name a member of an archive, "x.whl!a/b.so";
 * of a universal file the slice for this machine is meant, else the first.
 *
 * Returns 0 and stores the effect, and in *why, unless `why` is NULL, a sentence. Returns -1 when there is no answer: a
 * file that cannot be read, that is no module, or a wrong argument; *why is the message then. `effect` must not be
 * NULL; it is INTERLOCK_UNKNOWN after -1. */
INTERLOCK_C_API int interlock_audit_effect(const char *path, const char *module, const char *python,
                                           enum interlock_effect *effect, char **why);

/* Frees a text that a function of this header returned; NULL is allowed. */
INTERLOCK_C_API void interlock_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
