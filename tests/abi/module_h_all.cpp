// module_h_all.cpp: see module_h_all.inc.
//
// SPDX-License-Identifier: MIT
#include "module_h_all.inc"
