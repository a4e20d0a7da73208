/* own_thread.c: a module with threads of its own, which work for it piece by piece until it is unloaded.
 *
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <interlock/module.h>

#include "observe.h"

enum { most_threads = 8 };

typedef struct {
    const il_host *host;
    il_module *module;
    pthread_t threads[most_threads];
    int count;
    _Atomic int refused; /* threads that were told to end */
    int64_t pieces;      /* plain: exact only if one thread at a time is inside */
} own_state;

static il_status count_piece(il_call *call, void *context) {
    own_state *state = context;
    if (call->state != state || call->module != state->module) return IL_ERROR_FAILED;
    if (il_current_call(call->host) != call) return IL_ERROR_FAILED;
    ++state->pieces;
    return IL_OK;
}

static il_status tell_piece(il_call *call, void *context) {
    observe(context);
    il_log(call, IL_LOG_INFO, "%s", (const char *)context);
    return IL_OK;
}

static il_status nested_piece(il_call *call, void *context) {
    return il_run_attached(call->host, call->module, tell_piece, context);
}

static il_status import_piece(il_call *call, void *context) {
    il_module *module;
    il_callable *function;
    il_value result;
    (void)context;
    il_status status = il_import(call, "free1", &module);
    if (status == IL_OK) status = il_find(call, module, "count", &function);
    if (status == IL_OK) status = il_invoke(call, function, NULL, 0, &result);
    if (status == IL_OK && (result.type != IL_INT64 || result.as.int64 < 1)) status = IL_ERROR_FAILED;
    return status;
}

static il_status failing_piece(il_call *call, void *context) {
    (void)context;
    return il_raise(call, IL_ERROR_IO, "nobody reads this");
}

/* Until the module is unloaded. */
static void *work_until_unload(void *context) {
    own_state *state = context;
    while (il_run_attached(state->host, state->module, count_piece, state) == IL_OK) {
    }
    ++state->refused;
    return NULL;
}

typedef struct {
    own_state *state;
    il_thread_body body;
    char event[64];
    il_status status;
} one_piece;

static void *do_one(void *context) {
    one_piece *piece = context;
    piece->status = il_run_attached(piece->state->host, piece->state->module, piece->body, piece->event);
    return NULL;
}

/* Runs one piece of a kind on a new thread, and returns its status. */
static il_status once(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    static const struct {
        const char *name;
        il_thread_body body;
    } kinds[] = {{"tell", tell_piece}, {"nested", nested_piece}, {"import", import_piece}, {"fail", failing_piece}};
    if (nargs != 2) return il_raise(call, IL_ERROR_ARGUMENT, "once(kind, event)");
    one_piece piece = {call->state, NULL, "", IL_ERROR_FAILED};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
        if (strlen(kinds[i].name) == args[0].as.string.size &&
            memcmp(kinds[i].name, args[0].as.string.data, args[0].as.string.size) == 0)
            piece.body = kinds[i].body;
    snprintf(piece.event, sizeof piece.event, "%.*s", (int)args[1].as.string.size, args[1].as.string.data);
    IL_BEGIN_ALLOW_THREADS(call)
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_one, &piece) == 0) pthread_join(thread, NULL);
    IL_END_ALLOW_THREADS
    *result = il_int64(piece.status);
    return IL_OK;
}

static il_status start(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    own_state *state = call->state;
    (void)nargs, (void)result;
    for (int64_t i = 0; i < args[0].as.int64 && state->count < most_threads; ++i)
        if (pthread_create(&state->threads[state->count], NULL, work_until_unload, state) == 0) ++state->count;
    return IL_OK;
}

static il_status pieces(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args, (void)nargs;
    *result = il_int64(((own_state *)call->state)->pieces);
    return IL_OK;
}

static const il_method methods[] = {{"once", once, "once(kind, event) -> int"},
                                    {"start", start, "start(threads)"},
                                    {"pieces", pieces, "pieces() -> int"},
                                    {NULL, NULL, NULL}};

static il_status exec(il_call *call) {
    own_state *state = call->state;
    state->host = call->host;
    state->module = call->module;
    return IL_OK;
}

static void teardown(il_call *call) {
    own_state *state = call->state;
    IL_BEGIN_ALLOW_THREADS(call)
    for (int i = 0; i < state->count; ++i) pthread_join(state->threads[i], NULL);
    IL_END_ALLOW_THREADS
    char event[64];
    snprintf(event, sizeof event, "own_thread:%d threads ended", state->refused);
    observe(event);
}

IL_MODULE(own_thread, "own_thread", "1.0", FREE, "Has threads.", sizeof(own_state), methods, exec, teardown);
