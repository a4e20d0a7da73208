// multi.c: a module of multi-phase initialization.
//
//   CREATES_TEXT   Py_mod_create returns a str, and no module
//   CREATE_RAISES, EXEC_RAISES
//   HOOKS          its init function and its execution call reached()
//   IMPORTS        the name of a module that is imported while it is executed
//   OWN_GIL        it may be imported in an interpreter with a GIL of its own
//
// SPDX-License-Identifier: MIT
#include "common.h"

#if defined CREATES_TEXT || defined CREATE_RAISES
static PyObject *create(PyObject *spec, PyModuleDef *definition) {
    (void)spec, (void)definition;
#ifdef CREATE_RAISES
    PyErr_SetString(PyExc_RuntimeError, "create fails");
    return NULL;
#else
    return PyUnicode_FromString("no module");
#endif
}
#endif

#ifndef CREATES_TEXT
static int executed;

static int execute(PyObject *module) {
#ifdef HOOKS
    if (reached(NAME, "exec") != 0) return -1;
#endif
#ifdef IMPORTS
    if (import(IMPORTS) != 0) return -1;
#endif
    if (PyModule_AddIntConstant(module, "executed", ++executed) != 0) return -1;
#ifdef EXEC_RAISES
    PyErr_SetString(PyExc_RuntimeError, "exec fails");
    return -1;
#else
    return 0;
#endif
}
#endif

static PyModuleDef_Slot slots[] = {
#if defined CREATES_TEXT || defined CREATE_RAISES
    {Py_mod_create, create},
#endif
#ifndef CREATES_TEXT
    {Py_mod_exec, execute},
#endif
#ifdef OWN_GIL
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef GIL
    {Py_mod_gil, GIL},
#endif
    {0, NULL}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = NAME, .m_slots = slots};

PyMODINIT_FUNC INIT(void) {
#ifdef HOOKS
    if (reached(NAME, "init") != 0) return NULL;
#endif
    return PyModuleDef_Init(&definition);
}
