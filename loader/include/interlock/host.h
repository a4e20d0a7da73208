/* interlock/host.h: the host's side for programs in C, and languages that call C: a runtime, a loader, imports, calls.
 * C11 and C++. What it does is described in runtime.hpp, loader.hpp and module.h; here is how C gets at it.
 *
 *     interlock_error *error = NULL;
 *     interlock_runtime *runtime = interlock_runtime_new(NULL, &error);
 *     const char *folders[] = {"plugins"};
 *     interlock_loader_options options = {sizeof options, folders, 1};
 *     interlock_loader *loader = interlock_loader_new(runtime, &options, &error);
 *     if (interlock_loader_import(loader, "textkit", NULL, &error) != 0) fputs(interlock_error_message(error), stderr);
 *     interlock_function *count = interlock_loader_function(loader, "textkit", "count", &error);
 *
 * Texts are UTF-8. Nothing that is passed in is kept, but for callbacks and their context. Where a function says
 * "error", it sets *error to a new object when it fails, and leaves it alone otherwise; `error` may be NULL. Functions
 * that return an int return 0, or -1 after a failure; those that return a pointer return NULL then. No exception gets
 * out. All of them may be called on any thread, also at the same time, unless they say otherwise; a loader is freed
 * before its runtime, on a thread that is not attached.
 *
 * Structures begin with their size in bytes, which the caller sets; members that are zero have their default. Later
 * versions add members at the end. The symbols have versions: INTERLOCK_HOST_1 is what this header declares.
 *
 * SPDX-License-Identifier: MIT */
#ifndef INTERLOCK_HOST_H
#define INTERLOCK_HOST_H

#include <interlock/module.h>

#define INTERLOCK_HOST_API IL_VISIBLE

IL_EXTERN_C_BEGIN

typedef struct interlock_error interlock_error;
typedef struct interlock_runtime interlock_runtime;
typedef struct interlock_loader interlock_loader;
typedef struct interlock_function interlock_function;
typedef struct interlock_scope interlock_scope;

/* ---- errors and texts ------------------------------------------------------------------------------------------ */

/* "not_found", "refused", "invalid_policy", ...: the words of errc_name() in result.hpp, which stay. Lives as long as
 * the error. */
INTERLOCK_HOST_API const char *interlock_error_code(const interlock_error *error);
/* What happened, to what, why, and what to do. Lives as long as the error. */
INTERLOCK_HOST_API const char *interlock_error_message(const interlock_error *error);
INTERLOCK_HOST_API void interlock_error_free(interlock_error *error); /* NULL is allowed */
/* Frees a char * that a function of this header returned; NULL is allowed. */
INTERLOCK_HOST_API void interlock_text_free(char *text);

/* ---- runtime --------------------------------------------------------------------------------------------------- */

enum { INTERLOCK_GIL_AUTOMATIC = 0, INTERLOCK_GIL_OFF = 1, INTERLOCK_GIL_ON = 2 };

/* RuntimeEvent. Valid during the callback. */
typedef struct interlock_event {
    size_t size;
    const char *kind;   /* "mode_changed", "switch_failed", "stalled", "imported", "import_failed", "unloaded" */
    const char *module; /* or "" */
    const char *text;   /* for people */
    int locked;         /* the mode: 0 parallel, 1 locked */
    uint64_t duration_ns;
    uint64_t number;
} interlock_event;

/* RuntimeOptions. */
typedef struct interlock_runtime_options {
    size_t size;
    int use_environment; /* not 0: INTERLOCK_GIL, PYTHON_GIL and INTERLOCK_THREADS count where the rest says nothing */
    int gil;             /* INTERLOCK_GIL_... */
    unsigned threads;    /* of the executor; 0: one for each CPU */
    unsigned switch_interval_us;                                   /* 0: 5000 */
    unsigned stall_report_ms;                                      /* 0: 1000 */
    void (*on_event)(void *context, const interlock_event *event); /* rules: RuntimeOptions::on_event */
    void *context;
} interlock_runtime_options;

/* The runtime; one per process at a time. `options` may be NULL. Errors: wrong_state, invalid_option, unsupported. */
INTERLOCK_HOST_API interlock_runtime *interlock_runtime_new(const interlock_runtime_options *options,
                                                            interlock_error **error);
/* On a thread that is not attached, after its loader; NULL is allowed. */
INTERLOCK_HOST_API void interlock_runtime_free(interlock_runtime *runtime);
INTERLOCK_HOST_API int interlock_runtime_is_locked(const interlock_runtime *runtime); /* 0 parallel, 1 locked */

/* Calls body(context, i, j) for pieces [i, j) of [begin, end) on the threads of the runtime, attached, and waits for
 * them. `grain`: the largest piece, 0: chosen. Call interlock_safe_point() between items that take long. Error:
 * internal. */
INTERLOCK_HOST_API int interlock_runtime_parallel_for(interlock_runtime *runtime, size_t begin, size_t end,
                                                      size_t grain, void (*body)(void *, size_t, size_t), void *context,
                                                      interlock_error **error);

/* For threads that call modules many times: a call attaches by itself, and costs less on a thread that is attached.
 * May be nested; each success is matched by one interlock_detach() on the same thread. Error: wrong_state. */
INTERLOCK_HOST_API int interlock_attach(interlock_error **error);
INTERLOCK_HOST_API void interlock_detach(void);
/* Runs work that blocks, with the calling thread detached meanwhile however deeply it is attached. */
INTERLOCK_HOST_API void interlock_run_detached(void (*work)(void *), void *context);
INTERLOCK_HOST_API void interlock_safe_point(void);

/* ---- loader ---------------------------------------------------------------------------------------------------- */

/* Warning. Valid during the callback. */
typedef struct interlock_warning {
    size_t size;
    const char *category; /* "fallback", "marker", "manifest", "policy", "stall", "module" */
    const char *module;   /* or "" */
    const char *text;     /* for people, several lines, ends with a newline */
    const char *json;     /* the same as one JSON object on one line */
} interlock_warning;

/* LoaderOptions. */
typedef struct interlock_loader_options {
    size_t size;
    const char *const *search_path; /* folders, in order */
    size_t search_path_count;
    int use_environment;          /* not 0: INTERLOCK_PATH behind search_path; INTERLOCK_POLICY if `policy` is NULL */
    const char *policy;           /* a file, or NULL */
    const char *const *overrides; /* "MODULE=free|module_lock|global_lock|refuse" */
    size_t overrides_count;
    const char *const *filters; /* of warnings: "ACTION[:CATEGORY[:MODULE]]"; the last match decides */
    size_t filters_count;
    unsigned switch_deadline_ms;                                         /* for the switch of an import; 0: wait */
    void (*on_warning)(void *context, const interlock_warning *warning); /* rules: LoaderOptions; NULL: to stderr */
    void (*on_log)(void *context, il_log_level level, const char *module, const char *text); /* NULL: to stderr */
    void *context;                                                                           /* of both */
} interlock_loader_options;

/* The loader of a runtime. `options` may be NULL. Errors: wrong_state, invalid_option, invalid_argument, and those of a
 * policy: not_found, unreadable, invalid_policy, warning_as_error. */
INTERLOCK_HOST_API interlock_loader *interlock_loader_new(interlock_runtime *runtime,
                                                          const interlock_loader_options *options,
                                                          interlock_error **error);
/* Unloads everything, last import first; NULL is allowed. Functions that are left answer with IL_ERROR_STATE. */
INTERLOCK_HOST_API void interlock_loader_free(interlock_loader *loader);

/* Imports a module by its dotted name, at once if it is loaded. `importer` is what warnings name as importer; NULL:
 * "a program in C". Errors: any that an import can meet. */
INTERLOCK_HOST_API int interlock_loader_import(interlock_loader *loader, const char *name, const char *importer,
                                               interlock_error **error);
/* `timeout_ms` for calls inside; negative: wait. Errors: not_found, in_use. */
INTERLOCK_HOST_API int interlock_loader_unload(interlock_loader *loader, const char *name, int64_t timeout_ms,
                                               interlock_error **error);
/* Replaces a loaded module by what its file is now; functions go on to the new version (Loader::reload). `importer` and
 * `timeout_ms` as above. Errors: not_found, in_use, any that an import can meet. */
INTERLOCK_HOST_API int interlock_loader_reload(interlock_loader *loader, const char *name, const char *importer,
                                               int64_t timeout_ms, interlock_error **error);
/* What the loader did, as JSON (LoaderReport::to_json); the caller frees it with interlock_text_free(). Error:
 * internal. */
INTERLOCK_HOST_API char *interlock_loader_report(const interlock_loader *loader, interlock_error **error);

/* ---- calls ----------------------------------------------------------------------------------------------------- */

/* A function of a loaded module, to be freed by the caller, also after its loader. Error: not_found. */
INTERLOCK_HOST_API interlock_function *interlock_loader_function(interlock_loader *loader, const char *module,
                                                                 const char *function, interlock_error **error);
INTERLOCK_HOST_API void interlock_function_free(interlock_function *function); /* NULL is allowed */

/* What calls produce: results and the text of an error. One thread at a time. NULL: no memory. */
INTERLOCK_HOST_API interlock_scope *interlock_scope_new(void);
INTERLOCK_HOST_API void interlock_scope_reset(interlock_scope *scope); /* ends all results so far */
INTERLOCK_HOST_API void interlock_scope_free(interlock_scope *scope);  /* NULL is allowed */

/* Calls through the module's gate. Arguments are borrowed for the call; *result, which must not be one of them, lives
 * until the scope's reset (Function::call says more). Returns IL_OK, or what the module returned; IL_ERROR_STATE also
 * when it has been unloaded. */
INTERLOCK_HOST_API il_status interlock_function_call(const interlock_function *function, interlock_scope *scope,
                                                     const il_value *args, size_t nargs, il_value *result);
/* What the last call with this scope said that failed. Lives until the next call. */
INTERLOCK_HOST_API const char *interlock_scope_error(const interlock_scope *scope);

/* A value as JSON text (Value::to_json), freed with interlock_text_free(). Error: call_failed for a malformed value. */
INTERLOCK_HOST_API char *interlock_value_json(const il_value *value, interlock_error **error);

IL_EXTERN_C_END

#endif
