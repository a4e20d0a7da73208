// handed_over.c: a module whose init function only hands its definition over, made with the start-up files of a C
// compiler. PATCHED: a constructor changes the table before.
//
// SPDX-License-Identifier: MIT
#include "audit/fixtures/fake_python.h"

static PyModuleDef_Slot slots[] = {{Py_mod_exec, exec_module}, {Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, 0}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "handed_over", .m_slots = slots};

#ifdef PATCHED
// A constructor whose outcome a compiler knows is none: it would write the outcome into the table.
static void *volatile used = Py_MOD_GIL_USED;
__attribute__((constructor)) static void patch(void) { slots[1].value = used; }
#endif

PyMODINIT_FUNC PyInit_handed_over(void) { return PyModuleDef_Init(&definition); }
