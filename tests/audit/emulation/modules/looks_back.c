// looks_back.c: asks for something that is not known, so that it is run again, and marks itself by whether it finds
// what an earlier run has left: in its data, on the stack, in a register.
//
// SPDX-License-Identifier: MIT
#include "audit/fixtures/fake_python.h"

extern char *getenv(const char *name);

#define LEFT 0x6c6566742e6c6566u

static volatile uint64_t left_in_zeros;
static volatile uint64_t left_in_data = 1;
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "looks_back", .m_size = -1};

PyMODINIT_FUNC PyInit_looks_back(void) {
    uint64_t in_register;
    __asm__ volatile("movq %%xmm15, %0" : "=r"(in_register));
    volatile uint64_t *below = (volatile uint64_t *)__builtin_frame_address(0) - 1024;
    const int found = left_in_zeros != 0 || left_in_data != 1 || in_register == LEFT || *below == LEFT;
    getenv("ASKED");
    PyObject *module = PyModule_Create2(&definition, PYTHON_API_VERSION);
    PyUnstable_Module_SetGIL(module, found ? Py_MOD_GIL_USED : Py_MOD_GIL_NOT_USED);
    left_in_zeros = left_in_data = *below = LEFT;
    __asm__ volatile("movq %0, %%xmm15" : : "r"((uint64_t)LEFT));
    return module;
}
