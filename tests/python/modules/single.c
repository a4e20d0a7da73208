// single.c: a module of single-phase initialization. GIL is declared with PyUnstable_Module_SetGIL().
//
//   INIT_RAISES, INIT_RETURNS_NULL (without an exception)
//   HOOKS          its init function calls reached()
//   IMPORTS        the name of a module that its init function imports, the first time that it is called
//   SIZE           of the module's state; -1 (no second initialization) without it
//
// SPDX-License-Identifier: MIT
#include "common.h"

#ifndef SIZE
#define SIZE -1
#endif

#if !defined INIT_RAISES && !defined INIT_RETURNS_NULL
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = NAME, .m_size = SIZE};
static int initialized;
#endif

PyMODINIT_FUNC INIT(void) {
#ifdef INIT_RAISES
    PyErr_SetString(PyExc_RuntimeError, "init fails");
    return NULL;
#elif defined INIT_RETURNS_NULL
    return NULL;
#else
    const int time = __atomic_add_fetch(&initialized, 1, __ATOMIC_SEQ_CST);
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
#ifdef GIL
    PyUnstable_Module_SetGIL(module, GIL);
#endif
    if (PyModule_AddIntConstant(module, "initialized", time) != 0) goto failed;
#ifdef HOOKS
    if (reached(NAME, "init") != 0) goto failed;
#endif
#ifdef IMPORTS
    if (time == 1 && import(IMPORTS) != 0) goto failed;
#endif
    return module;
failed:
    Py_DECREF(module);
    return NULL;
#endif
}
