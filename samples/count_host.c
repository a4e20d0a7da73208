// A host in C11: counts the words of files on all CPUs with the sample module textkit, by way of interlock/host.h. It
// has no locks of its own: pieces of the loop share nothing, and what blocks is done detached, so that a switch of the
// mode never waits for a disk. With --reload it replaces the module between two rounds, as a server does on a signal.
//
// SPDX-License-Identifier: MIT
#include <interlock/host.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    char *text;
    size_t size;
    char *counted;  // JSON
    char error[200];
    int64_t words;
} job;

typedef struct {
    const interlock_function *count;
    job *jobs;
} round_of_jobs;

static int failed(const char *what, interlock_error *error) {
    fprintf(stderr, "count-host: %s: %s [%s]\n", what, interlock_error_message(error), interlock_error_code(error));
    interlock_error_free(error);
    return 1;
}

static void on_event(void *context, const interlock_event *event) {
    (void)context;
    if (strcmp(event->kind, "mode_changed") == 0) fprintf(stderr, "count-host: %s\n", event->text);
}

static void on_warning(void *context, const interlock_warning *warning) {
    ++*(unsigned *)context;
    fputs(warning->text, stderr);
}

// Runs detached: the disk may take its time.
static void read_file(void *context) {
    job *one = context;
    FILE *file = fopen(one->name, "rb");
    long size = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
        one->text = malloc((size_t)size + 1);
    if (one->text != NULL) one->size = fread(one->text, 1, (size_t)size, file);
    if (file != NULL) fclose(file);
    if (one->text == NULL) snprintf(one->error, sizeof one->error, "it cannot be read");
}

static int64_t number_of(const il_value *map, const char *key) {
    for (size_t i = 0; map->type == IL_MAP && i < map->as.map.count; ++i) {
        const il_entry *entry = &map->as.map.entries[i];
        if (entry->key.size == strlen(key) && memcmp(entry->key.data, key, entry->key.size) == 0)
            return entry->value.as.int64;
    }
    return 0;
}

// Runs attached, on a thread of the runtime.
static void count_files(void *context, size_t begin, size_t end) {
    const round_of_jobs *all = context;
    interlock_scope *scope = interlock_scope_new();
    for (size_t i = begin; scope != NULL && i < end; ++i) {
        job *one = &all->jobs[i];
        interlock_run_detached(read_file, one);
        if (one->text != NULL) {
            const il_value text = il_octets(one->text, one->size);
            il_value result;
            if (interlock_function_call(all->count, scope, &text, 1, &result) == IL_OK) {
                one->words = number_of(&result, "words");
                one->counted = interlock_value_json(&result, NULL);
            } else {
                snprintf(one->error, sizeof one->error, "%s", interlock_scope_error(scope));
            }
            interlock_scope_reset(scope);  // the result is not needed any more, and the next file may be large
            free(one->text);
            one->text = NULL;
        }
        interlock_safe_point();
    }
    interlock_scope_free(scope);
}

// Adds up with a function of the module as well. Many small calls: each costs less on a thread that is attached.
static int add_up(const interlock_function *sum, const job *jobs, size_t count, int64_t *total,
                  interlock_error **error) {
    if (interlock_attach(error) != 0) return -1;
    interlock_scope *scope = interlock_scope_new();
    il_value so_far = il_int64(0);
    for (size_t i = 0; scope != NULL && i < count; ++i) {
        const il_value both[] = {so_far, il_int64(jobs[i].words)};
        if (interlock_function_call(sum, scope, both, 2, &so_far) != IL_OK) break;
    }
    *total = so_far.type == IL_INT64 ? so_far.as.int64 : -1;
    interlock_scope_free(scope);
    interlock_detach();
    return 0;
}

// One round over all files; prints a line for each.
static int count_all(interlock_runtime *runtime, interlock_loader *loader, job *jobs, size_t count) {
    interlock_error *error = NULL;
    interlock_function *function = interlock_loader_function(loader, "textkit", "count", &error);
    interlock_function *sum = function == NULL ? NULL : interlock_loader_function(loader, "textkit", "sum", &error);
    round_of_jobs all = {.count = function, .jobs = jobs};
    int64_t total = 0;
    int status = sum == NULL || interlock_runtime_parallel_for(runtime, 0, count, 0, count_files, &all, &error) != 0 ||
                         add_up(sum, jobs, count, &total, &error) != 0
                     ? failed("textkit", error)
                     : 0;
    interlock_function_free(sum);
    interlock_function_free(function);
    for (size_t i = 0; i < count; ++i) {
        job *one = &jobs[i];
        printf("%s: %s\n", one->name, one->counted != NULL ? one->counted : one->error);
        if (one->counted == NULL) status = 1;
        interlock_text_free(one->counted);
        *one = (job){.name = one->name};
    }
    printf("%lld words, %s\n", (long long)total, interlock_runtime_is_locked(runtime) ? "locked" : "parallel");
    return status;
}

int main(int argc, char **argv) {
    int first = 1, reload = 0, report = 0;
    for (; first < argc && strncmp(argv[first], "--", 2) == 0; ++first) {
        if (strcmp(argv[first], "--reload") == 0) reload = 1;
        if (strcmp(argv[first], "--report") == 0) report = 1;
    }
    const size_t count = (size_t)(argc - first);
    if (count == 0) {
        fputs("usage: count-host [--reload] [--report] FILE...   (INTERLOCK_PATH: the folder of textkit.so)\n", stderr);
        return 2;
    }
    interlock_error *error = NULL;
    const interlock_runtime_options runtime_options = {
        .size = sizeof runtime_options, .use_environment = 1, .on_event = on_event};
    interlock_runtime *runtime = interlock_runtime_new(&runtime_options, &error);
    if (runtime == NULL) return failed("the runtime", error);
    unsigned warnings = 0;
    const interlock_loader_options loader_options = {
        .size = sizeof loader_options, .use_environment = 1, .on_warning = on_warning, .context = &warnings};
    interlock_loader *loader = interlock_loader_new(runtime, &loader_options, &error);
    job *jobs = calloc(count, sizeof *jobs);
    for (size_t i = 0; jobs != NULL && i < count; ++i) jobs[i].name = argv[first + (int)i];

    int status = 1;
    if (loader == NULL || jobs == NULL || interlock_loader_import(loader, "textkit", argv[0], &error) != 0) {
        if (error != NULL) failed("textkit", error);
    } else {
        status = count_all(runtime, loader, jobs, count);
        if (reload && status == 0)
            status = interlock_loader_reload(loader, "textkit", argv[0], 1000, &error) != 0
                         ? failed("reloading", error)
                         : count_all(runtime, loader, jobs, count);
        char *text = report ? interlock_loader_report(loader, NULL) : NULL;
        if (text != NULL) puts(text);
        interlock_text_free(text);
        if (interlock_loader_unload(loader, "textkit", 1000, &error) != 0) status = failed("unloading", error);
        fprintf(stderr, "count-host: %u warnings\n", warnings);
    }
    free(jobs);
    interlock_loader_free(loader);
    interlock_runtime_free(runtime);
    return status;
}
