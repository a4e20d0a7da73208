/* The same as host.cpp in C: imports the module `adder` from the folder given as argument and calls it.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <interlock/host.h>

static int failed(interlock_error *error) {
    fprintf(stderr, "%s: %s\n", interlock_error_code(error), interlock_error_message(error));
    interlock_error_free(error);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    interlock_error *error = NULL;
    const interlock_runtime_options runtime_options = {.size = sizeof runtime_options, .use_environment = 1};
    interlock_runtime *runtime = interlock_runtime_new(&runtime_options, &error);
    if (runtime == NULL) return failed(error);
    const char *folders[] = {argv[1]};
    const interlock_loader_options loader_options = {
        .size = sizeof loader_options, .search_path = folders, .search_path_count = 1, .use_environment = 1};
    interlock_loader *loader = interlock_loader_new(runtime, &loader_options, &error);
    if (loader == NULL) return failed(error);
    if (interlock_loader_import(loader, "adder", argv[0], &error) != 0) return failed(error);
    interlock_function *add = interlock_loader_function(loader, "adder", "add", &error);
    if (add == NULL) return failed(error);

    interlock_scope *scope = interlock_scope_new();
    if (scope == NULL) return 1;
    const il_value args[] = {il_int64(2), il_int64(3)};
    il_value result;
    if (interlock_function_call(add, scope, args, 2, &result) != IL_OK) {
        fprintf(stderr, "%s\n", interlock_scope_error(scope));
        return 1;
    }
    printf("adder.add(2, 3) = %lld\n", (long long)result.as.int64);
    printf("global lock: %s\n", interlock_runtime_is_locked(runtime) ? "on" : "off");

    interlock_scope_free(scope);
    interlock_function_free(add);
    if (interlock_loader_unload(loader, "adder", 1000, &error) != 0) return failed(error);
    interlock_loader_free(loader);
    interlock_runtime_free(runtime);
    return 0;
}
