// no_init.c: a library without an init function.
//
// SPDX-License-Identifier: MIT
int interlock_no_init(void);
int interlock_no_init(void) { return 1; }
