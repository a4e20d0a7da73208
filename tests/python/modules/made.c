// made.c: leaves it to another module to make this one, as those of cffi do.
//
//   MAKER   the name of that one
//
// SPDX-License-Identifier: MIT
#include "common.h"

PyMODINIT_FUNC INIT(void) {
    PyObject *maker = PyImport_ImportModule(MAKER);
    if (maker == NULL) return NULL;
    PyObject *made = PyObject_CallMethod(maker, "make", NULL);
    Py_DECREF(maker);
    return made;
}
