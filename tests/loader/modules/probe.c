/* probe.c: one source for most test modules. Built with PROBE_ID, PROBE_NAME and, if marked, PROBE_LEVEL; tells the
 * test when its constructor, exec, teardown and destructor run, and does what a script says, in exec or when called.
 *
 * A script is a list of steps, separated by ';'. In a step's last argument, which may contain spaces, ',' stands
 * for ';'.
 *     import MODULE            call MODULE FUNCTION [TEXT]     observe EVENT          detached EVENT
 *     parallel COUNT STEP      section EVENT                   alone EVENT            warn TEXT    log TEXT
 *     fail TEXT                status NUMBER                   exit                   leave_detached
 *
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PROBE_KEEP_MAPPED
#define IL_MODULE_FLAGS IL_KEEP_MAPPED
#endif
#include <interlock/module.h>

#include "observe.h"

#define NAME TEST_TEXT(PROBE_NAME)

__attribute__((constructor)) static void constructed(void) { observe(NAME ":constructor"); }
__attribute__((destructor)) static void destructed(void) { observe(NAME ":destructor"); }

typedef struct {
    _Atomic int64_t calls; /* of count() */
} probe_state;

static il_mutex section_mutex = IL_MUTEX_INIT;
/* Plain variables: exact, and free of races, only if one thread at a time is in `alone`. */
static int inside, violations;
static int64_t total;

static il_status run_script(il_call *call, const char *script, il_value *result);

static il_status step_piece(il_call *call, size_t begin, size_t end, void *context) {
    for (size_t i = begin; i != end; ++i) {
        il_value ignored = il_null();
        const il_status status = run_script(call, context, &ignored);
        if (status != IL_OK) return status;
    }
    return IL_OK;
}

/* The next word of *rest, which it ends with a zero; "" if there is none. */
static char *word(char **rest) {
    char *begin = *rest + strspn(*rest, " ");
    char *end = begin + strcspn(begin, " ");
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    return begin;
}

static il_status step_call(il_call *call, const char *module_name, const char *function_name, char *text,
                           il_value *result) {
    il_module *module;
    il_callable *function;
    for (char *c = text; *c != '\0'; ++c)
        if (*c == ',') *c = ';';
    il_status status = il_import(call, module_name, &module);
    if (status == IL_OK) status = il_find(call, module, function_name, &function);
    const il_value arg = il_text(text, strlen(text));
    if (status == IL_OK) status = il_invoke(call, function, &arg, *text != '\0', result);
    return status;
}

static void step_alone(const char *event) {
    violations += inside != 0;
    ++inside;
    ++total;
    observe(event);
    --inside;
}

/* A function of its own: leaving a block of the macros is forbidden, which is just what this tests. */
static void begin_detached(il_call *call) { call->host->detach(call); }

static il_status run_step(il_call *call, char *step, il_value *result) {
    const char *verb = word(&step);
    if (*verb == '\0') return IL_OK;
    if (strcmp(verb, "import") == 0) {
        il_module *module;
        return il_import(call, word(&step), &module);
    }
    if (strcmp(verb, "call") == 0) {
        const char *module = word(&step);
        const char *function = word(&step);
        return step_call(call, module, function, step, result);
    }
    if (strcmp(verb, "observe") == 0) {
        *result = il_int64(observe(step));
        return IL_OK;
    }
    if (strcmp(verb, "detached") == 0) {
        IL_BEGIN_ALLOW_THREADS(call)
        observe(step);
        IL_END_ALLOW_THREADS
        return IL_OK;
    }
    if (strcmp(verb, "parallel") == 0) {
        const size_t count = strtoul(word(&step), NULL, 10);
        for (char *c = step; *c != '\0'; ++c)
            if (*c == ',') *c = ';';
        return il_parallel_for(call, 0, count, 1, step_piece, step);
    }
    if (strcmp(verb, "section") == 0) {
        IL_BEGIN_CRITICAL_SECTION(call, &section_mutex)
        observe(step);
        IL_END_CRITICAL_SECTION
        return IL_OK;
    }
    if (strcmp(verb, "alone") == 0) return step_alone(step), IL_OK;
    if (strcmp(verb, "warn") == 0) return il_warn(call, "%s", step);
    if (strcmp(verb, "log") == 0) return il_log(call, IL_LOG_INFO, "%s", step), IL_OK;
    if (strcmp(verb, "fail") == 0) return il_raise(call, IL_ERROR_FAILED, "%s", step);
    if (strcmp(verb, "status") == 0) return (il_status)strtol(step, NULL, 10);
    if (strcmp(verb, "exit") == 0) pthread_exit(NULL);
    if (strcmp(verb, "leave_detached") == 0) return begin_detached(call), IL_OK;
    return il_raise(call, IL_ERROR_ARGUMENT, "unknown step %s", verb);
}

static il_status run_script(il_call *call, const char *script, il_value *result) {
    /* In the call's arena, so that a step may end the thread. */
    const size_t size = strlen(script) + 1;
    char *copy = il_alloc(call, size, 1);
    if (copy == NULL) return IL_ERROR_MEMORY;
    memcpy(copy, script, size);
    for (char *rest = copy, *step; (step = strsep(&rest, ";")) != NULL;) {
        const il_status status = run_step(call, step, result);
        if (status != IL_OK) return status;
    }
    return IL_OK;
}

static il_status run(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 1 || args[0].type != IL_STRING) return il_raise(call, IL_ERROR_ARGUMENT, "run(script)");
    char *script = il_alloc(call, args[0].as.string.size + 1, 1);
    if (script == NULL) return IL_ERROR_MEMORY;
    memcpy(script, args[0].as.string.data, args[0].as.string.size);
    script[args[0].as.string.size] = '\0';
    return run_script(call, script, result);
}

static il_status count(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args, (void)nargs;
    *result = il_int64(++((probe_state *)call->state)->calls);
    return IL_OK;
}

static il_status checked(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call, (void)args, (void)nargs;
    *result = violations != 0 || inside != 0 ? il_int64(-1) : il_int64(total);
    return IL_OK;
}

/* As code that was never meant for threads: the result lies in a buffer that the next call overwrites. */
static il_status shout(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    static char buffer[4096];
    if (nargs != 1 || args[0].type != IL_STRING || args[0].as.string.size > sizeof buffer)
        return il_raise(call, IL_ERROR_ARGUMENT, "shout(text)");
    for (size_t i = 0; i < args[0].as.string.size; ++i) {
        const char c = args[0].as.string.data[i];
        buffer[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    *result = il_text(buffer, args[0].as.string.size);
    return IL_OK;
}

static const il_method methods[] = {{"run", run, "run(script)"},
                                    {"count", count, "count() -> int"},
                                    {"checked", checked, NULL},
                                    {"shout", shout, NULL},
                                    {NULL, NULL, NULL}};

#ifdef PROBE_LEGACY

static const il_module_def def = {sizeof(il_module_def), IL_ABI_VERSION,      0,       NAME, "1.0",
                                  "A legacy probe.",     sizeof(probe_state), methods, NULL, NULL};

IL_LEGACY_MODULE(PROBE_ID) {
    const char *script = script_of(NAME ":init");
    const int says = observe(NAME ":init");
    il_module *module = script != NULL && strcmp(script, "no module") == 0 ? NULL : il_module_create(host, &def);
    if (says > 0) il_set_threading(host, module, (il_threading)(says - 1));
    if (script != NULL && strcmp(script, "create twice") == 0) return il_module_create(host, &def);
    if (script != NULL && strcmp(script, "return nothing") == 0) return NULL;
    if (script != NULL && module != NULL) {
        il_value ignored = il_null();
        if (run_script(il_current_call(host), script, &ignored) != IL_OK) return NULL;
    }
    return module;
}

#else

static il_status exec(il_call *call) {
    const char *script = script_of(NAME ":exec");
    const int status = observe(NAME ":exec");
    if (status != 0) return il_raise(call, status, "as the test wants it");
    il_value ignored = il_null();
    return script == NULL ? IL_OK : run_script(call, script, &ignored);
}

static void teardown(il_call *call) {
    const char *script = script_of(NAME ":teardown");
    observe(NAME ":teardown");
    il_value ignored = il_null();
    if (script != NULL && run_script(call, script, &ignored) != IL_OK) observe(il_error_message(call));
}

#ifdef PROBE_LEVEL
IL_MODULE(PROBE_ID, NAME, "1.0", PROBE_LEVEL, "A probe.", sizeof(probe_state), methods, exec, teardown);
#else
IL_MODULE_UNMARKED(PROBE_ID, NAME, "1.0", "A probe.", sizeof(probe_state), methods, exec, teardown);
#endif

#endif
