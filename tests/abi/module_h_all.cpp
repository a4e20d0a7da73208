// module_h_all.cpp: everything in module.h once, compiled as C++; the uses themselves are in module_h_all.inc.
//
// SPDX-License-Identifier: MIT
#include "module_h_all.inc"
