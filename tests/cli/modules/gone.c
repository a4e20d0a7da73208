// A library for modules to need.
//
// SPDX-License-Identifier: MIT
int gone(void) { return 1; }
