// for_gil.c: a module that was compiled for an interpreter with a GIL, without the headers of one. It is for processors
// of 64 bits: with these a free-threaded 3.13 crashes in PyModule_Create2.
//
//   SINGLE  single-phase initialization
//
// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <stdint.h>

#define PASTE_(left, right) left##right
#define PASTE(left, right) PASTE_(left, right)
#define TEXT_(text) #text
#define TEXT(text) TEXT_(text)

typedef struct {
    intptr_t ob_refcnt;
    void *ob_type;
} Object;
typedef struct {
    Object ob_base;
    void *m_init;
    intptr_t m_index;
    void *m_copy;
    const char *m_name, *m_doc;
    intptr_t m_size;
    void *m_methods, *m_slots, *m_traverse, *m_clear, *m_free;
} Definition;
_Static_assert(offsetof(Definition, m_slots) == 72, "as in Include/moduleobject.h without Py_GIL_DISABLED");

static Definition definition = {.ob_base.ob_refcnt = 1, .m_name = TEXT(MODULE), .m_size = 0};

Object *PyModule_Create2(Definition *, int);
Object *PyModuleDef_Init(Definition *);

Object *PASTE(PyInit_, MODULE)(void) {
#ifdef SINGLE
    return PyModule_Create2(&definition, 1013);
#else
    return PyModuleDef_Init(&definition);
#endif
}
