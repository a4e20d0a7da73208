// marked_cxx.cpp: the same as marked.c from the C++ compiler, which lays out and names objects by other rules.
//
// SPDX-License-Identifier: MIT
#include "marked.c"
