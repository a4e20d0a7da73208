/* c_api_test.c: the C API as a C program uses it. Its argument is its own file: an ELF file that is no module.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <interlock/c_api.h>

static int failed;

static void check(int right, const char *what, int line) {
    if (right) return;
    fprintf(stderr, "line %d: failed: %s\n", line, what);
    failed = 1;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

static void reports(const char *program) {
    const char *paths[] = {program, "/nonexistent/x.so"};
    char *error = NULL;
    char *report = interlock_audit_json(paths, 2, "{\"pythons\": [\"3.14t\"], \"threads\": 1}", &error);
    CHECK(report != NULL);
    CHECK(error == NULL);
    if (report != NULL) {
        CHECK(strstr(report, "\"schema_version\": 1") != NULL);
        CHECK(strstr(report, "\"3.14t\"") != NULL);
        CHECK(strstr(report, "\"3.13t\"") == NULL);
        CHECK(strstr(report, "/nonexistent/x.so") != NULL);
    }
    interlock_free(report);

    report = interlock_audit_json(NULL, 0, NULL, NULL);
    CHECK(report != NULL);
    interlock_free(report);
    interlock_free(NULL);
}

static void refuses(const char *options, const char *message) {
    const char *paths[] = {"/nonexistent/x.so"};
    char *error = NULL;
    CHECK(interlock_audit_json(paths, 1, options, NULL) == NULL);
    CHECK(interlock_audit_json(paths, 1, options, &error) == NULL);
    CHECK(error != NULL);
    if (error != NULL && strstr(error, message) == NULL) {
        fprintf(stderr, "'%s' is not in '%s'\n", message, error);
        failed = 1;
    }
    interlock_free(error);
}

static void no_answer(const char *path, const char *module, const char *python, const char *message) {
    enum interlock_effect effect = INTERLOCK_CRASHES;
    char *why = NULL;
    CHECK(interlock_audit_effect(path, module, python, &effect, &why) == -1);
    CHECK(effect == INTERLOCK_UNKNOWN);
    CHECK(why != NULL);
    if (why != NULL && strstr(why, message) == NULL) {
        fprintf(stderr, "'%s' is not in '%s'\n", message, why);
        failed = 1;
    }
    interlock_free(why);
    CHECK(interlock_audit_effect(path, module, python, &effect, NULL) == -1);
}

int main(int argc, char **argv) {
    const char *program = argc > 1 ? argv[1] : argv[0];
    reports(program);
    refuses("[]", "not a JSON object");
    refuses("{", "not a JSON object");
    refuses("{\"pythons\": \"3.14t\"}", "must be a list of strings");
    refuses("{\"pythons\": [\"3.12t\"]}", "'3.12t' is no free-threaded interpreter");
    refuses("{\"search_paths\": []}", "did you mean 'search_path'?");
    refuses("{\"details\": 1}", "must be true or false");
    refuses("{\"threads\": -1}", "whole number");
    refuses("{\"policy\": \"/nonexistent/policy.json\"}", "/nonexistent/policy.json");
    refuses("{\"baseline\": \"/nonexistent/baseline.json\"}", "/nonexistent/baseline.json");
    no_answer("/nonexistent/x.so", NULL, "3.14t", "/nonexistent/x.so");
    no_answer(program, NULL, "3.14t", "no init function");
    no_answer(program, "x", "3.14t", "a module 'x'");
    no_answer(program, NULL, "3.12t", "'3.12t' is no free-threaded interpreter");
    no_answer(NULL, NULL, "3.14t", "not NULL");
    return failed;
}
