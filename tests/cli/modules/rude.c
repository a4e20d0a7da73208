/* A module that does not behave: what it does is in the variable RUDE_DOES, where it does it in RUDE_IN.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <interlock/module.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int *volatile nowhere = NULL;

static unsigned long use_up_the_stack(unsigned long depth) {
    volatile char here[4096];
    here[0] = (char)depth;
    return depth == 0 ? 0 : use_up_the_stack(depth - 1) + (unsigned long)here[0];
}

static void hang(void) {
    for (;;) pause();
}

static void *exit_in_a_thread(void *unused) {
    (void)unused;
    exit(0);
}

static void act(void) {
    const char *does = getenv("RUDE_DOES");
    if (does == NULL) return;
    if (strcmp(does, "exit") == 0) exit(0);
    if (strcmp(does, "exit with 3") == 0) exit(3);
    if (strcmp(does, "quick_exit") == 0) quick_exit(0);
    if (strcmp(does, "_exit") == 0) _exit(0);
    if (strcmp(does, "_Exit") == 0) _Exit(0);
    if (strcmp(does, "pthread_exit") == 0) pthread_exit(NULL);
    if (strcmp(does, "abort") == 0) abort();
    if (strcmp(does, "crash") == 0) *nowhere = 1;
    if (strcmp(does, "kill") == 0) raise(SIGSEGV);
    if (strcmp(does, "trap") == 0) raise(SIGTRAP);
    if (strcmp(does, "overflow") == 0) use_up_the_stack((unsigned long)-1);
    if (strcmp(does, "hang") == 0) hang();
    if (strcmp(does, "exit in a thread") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, exit_in_a_thread, NULL) == 0) hang();
    }
}

static void at(const char *place) {
    const char *in = getenv("RUDE_IN");
    if (in != NULL && strcmp(in, place) == 0) act();
}

__attribute__((constructor)) static void constructor(void) { at("constructor"); }

static il_status exec(il_call *call) {
    (void)call;
    at("exec");
    return IL_OK;
}

static void teardown(il_call *call) {
    (void)call;
    at("teardown");
}

static il_status go(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)call;
    (void)args;
    (void)nargs;
    (void)result;
    at("function");
    return IL_OK;
}

/* What a child says that ends as children do. */
static il_status fork_and_wait(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    int status = 0;
    const pid_t child = fork();
    (void)args;
    (void)nargs;
    if (child == 0) {
        if (getenv("RUDE_CHILD") != NULL) _exit(7);
        exit(7);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return il_raise(call, IL_ERROR_FAILED, "cannot fork");
    *result = il_int64(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return IL_OK;
}

/* Until stdin ends, or has a byte. */
static il_status wait_for_input(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    char byte;
    (void)call;
    (void)args;
    (void)nargs;
    *result = il_int64((int64_t)read(0, &byte, 1));
    return IL_OK;
}

static const il_method methods[] = {{"go", go, "go(...) -> null"},
                                    {"fork_and_wait", fork_and_wait, "fork_and_wait() -> int"},
                                    {"wait_for_input", wait_for_input, "wait_for_input() -> int"},
                                    {NULL, NULL, NULL}};
IL_MODULE(rude, "rude", "1.0", FREE, NULL, 0, methods, exec, teardown);
