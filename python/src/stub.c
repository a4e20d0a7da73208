/* stub.c: the extension module interlock._stub, which carries no marker: importing it turns the GIL on, by CPython's
 * own way. It is empty.
 *
 * SPDX-License-Identifier: MIT */
#include <Python.h>

static PyModuleDef_Slot slots[] = {{0, NULL}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "interlock._stub", .m_slots = slots};

PyMODINIT_FUNC PyInit__stub(void) { return PyModuleDef_Init(&definition); }
