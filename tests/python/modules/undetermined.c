// undetermined.c: what it declares is known to nobody who has not run it.
//
//   BY_ENVIRONMENT  a variable of the environment decides: ACME_USE_GIL
//   BY_PATH         PATH does, which always is there: it needs the GIL without, or with GIL the other way
//   BY_LOOP         an init function that takes too long for who only looks at it
//   HOOKS           its init function calls reached()
//
// SPDX-License-Identifier: MIT
#include "common.h"

#include <stdlib.h>

static int execute(PyObject *module) { return PyModule_AddIntConstant(module, "executed", 1); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = NAME, .m_slots = slots};

PyMODINIT_FUNC INIT(void) {
#ifdef HOOKS
    if (reached(NAME, "init") != 0) return NULL;
#endif
#if defined BY_ENVIRONMENT
    if (getenv("ACME_USE_GIL") != NULL) slots[1].value = Py_MOD_GIL_USED;
#elif defined BY_PATH
    const int usual = getenv("PATH") != NULL;
#ifdef GIL
    slots[1].value = usual ? GIL : Py_MOD_GIL_NOT_USED;
#else
    slots[1].value = usual ? Py_MOD_GIL_NOT_USED : Py_MOD_GIL_USED;
#endif
#elif defined BY_LOOP
    volatile unsigned long steps = 0;
    while (steps < 400000000UL) ++steps;
#ifdef GIL
    slots[1].value = steps > 0 ? GIL : Py_MOD_GIL_NOT_USED;
#endif
#else
#error "one of BY_ENVIRONMENT, BY_PATH and BY_LOOP"
#endif
    return PyModuleDef_Init(&definition);
}
