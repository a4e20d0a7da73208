/* observe.h: how test modules talk to the test that loads them: the executable exports two functions, which also code
 * that runs before any host table exists (constructors) can find.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_OBSERVE_H
#define TEST_OBSERVE_H

#include <dlfcn.h>
#include <stddef.h>

/* Tells that something happens now; the test may block here. What the test wants to answer, else 0. */
static inline int observe(const char *event) {
    int (*function)(const char *) = (int (*)(const char *))dlsym(RTLD_DEFAULT, "interlock_test_observe");
    return function == NULL ? 0 : function(event);
}

/* What the test wants to be done there, or NULL. */
static inline const char *script_of(const char *event) {
    const char *(*function)(const char *) = (const char *(*)(const char *))dlsym(RTLD_DEFAULT, "interlock_test_script");
    return function == NULL ? NULL : function(event);
}

#define TEST_TEXT_(x) #x
#define TEST_TEXT(x) TEST_TEXT_(x)

#endif
