// embeds.c: python, with three modules more in its init table: built_in, which declares nothing, built_in_free, and
// built_in_single, of single-phase initialization, which declares nothing.
//
// SPDX-License-Identifier: MIT
#include <Python.h>

static PyModuleDef_Slot no_slots[] = {{0, NULL}};
static PyModuleDef_Slot free_slots[] = {{Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}};
static PyModuleDef unmarked = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "built_in", .m_slots = no_slots};
static PyModuleDef marked = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "built_in_free", .m_slots = free_slots};
static PyModuleDef single = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "built_in_single", .m_size = -1};

static PyObject *init_unmarked(void) { return PyModuleDef_Init(&unmarked); }
static PyObject *init_marked(void) { return PyModuleDef_Init(&marked); }
static PyObject *init_single(void) { return PyModule_Create(&single); }

int main(int argc, char **argv) {
    if (PyImport_AppendInittab("built_in", init_unmarked) != 0 ||
        PyImport_AppendInittab("built_in_free", init_marked) != 0 ||
        PyImport_AppendInittab("built_in_single", init_single) != 0)
        return 2;
    return Py_BytesMain(argc, argv);
}
