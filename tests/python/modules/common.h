// common.h: what the modules of these tests share. Each source is built several times; build.py has the table.
//
//   MODULE  the name of the module, as in its init function
//   GIL     what it declares: Py_MOD_GIL_USED or Py_MOD_GIL_NOT_USED; without it nothing is declared
//
// SPDX-License-Identifier: MIT
#ifndef INTERLOCK_TESTS_PYTHON_COMMON_H
#define INTERLOCK_TESTS_PYTHON_COMMON_H

#include <Python.h>

#define PASTE_(left, right) left##right
#define PASTE(left, right) PASTE_(left, right)
#define TEXT_(text) #text
#define TEXT(text) TEXT_(text)
#define INIT PASTE(PyInit_, MODULE)
#define NAME TEXT(MODULE)

// Calls what the running test has put there for this place (hooks.py). 0, or -1 with an exception.
static inline int reached(const char *module, const char *place) {
    PyObject *hooks = PyImport_ImportModule("hooks");
    if (hooks == NULL) return -1;
    PyObject *result = PyObject_CallMethod(hooks, "reached", "ss", module, place);
    Py_DECREF(hooks);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static inline int import(const char *name) {
    PyObject *module = PyImport_ImportModule(name);
    Py_XDECREF(module);
    return module == NULL ? -1 : 0;
}

#endif
