/* Prints the audit's report on a file, as JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <interlock/c_api.h>

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    char *error = NULL;
    const char *paths[] = {argv[1]};
    char *report = interlock_audit_json(paths, 1, NULL, &error);
    if (report == NULL) {
        fprintf(stderr, "%s\n", error);
        interlock_free(error);
        return 1;
    }
    puts(report);
    interlock_free(report);
    return 0;
}
