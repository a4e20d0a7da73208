// maker.c: makes modules for others (made.c), and declares for them what it declares for itself.
//
// SPDX-License-Identifier: MIT
#include "common.h"

static PyModuleDef made = {PyModuleDef_HEAD_INIT, .m_name = "made", .m_size = -1};

static PyObject *make(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    PyObject *module = PyModule_Create(&made);
    if (module != NULL) PyUnstable_Module_SetGIL(module, GIL);
    return module;
}

static PyMethodDef methods[] = {{"make", make, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef_Slot slots[] = {{Py_mod_gil, GIL}, {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = NAME, .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC INIT(void) { return PyModuleDef_Init(&definition); }
