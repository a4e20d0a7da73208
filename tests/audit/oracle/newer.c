// What CPython 3.14 has and 3.13 has not, as far as extension modules use it while they are made: with it a
// free-threaded 3.13 takes modules that were built for 3.14t. newer.py builds it with the headers of that interpreter
// and loads it first (LD_PRELOAD). It serves to see what a module does to the GIL, and nothing else: what a module does
// later may well not work.
//
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <Python.h>

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

// Functions of 3.14 whose names are macros or inline functions in the headers of 3.13.
#define EXPORTED_AS(name) __asm__(#name)

PyTypeObject *newer_type(PyObject *object) EXPORTED_AS(Py_TYPE);
PyTypeObject *newer_type(PyObject *object) { return Py_TYPE(object); }

Py_ssize_t newer_refcnt(PyObject *object) EXPORTED_AS(Py_REFCNT);
Py_ssize_t newer_refcnt(PyObject *object) { return Py_REFCNT(object); }

// --- The version. Modules compare it, and give up; the interpreter itself must go on with its own.

const unsigned long newer_version EXPORTED_AS(Py_Version);
const unsigned long newer_version = 0x030e00f0;

static int is_of(const void *code, const void *library) {
    Dl_info one, other;
    return dladdr(code, &one) != 0 && dladdr(library, &other) != 0 && one.dli_fbase == other.dli_fbase;
}

const char *newer_get_version(void) EXPORTED_AS(Py_GetVersion);
const char *newer_get_version(void) {
    const char *(*const own)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "Py_GetVersion");
    if (is_of(__builtin_return_address(0), (const void *)own)) return own();
    return "3.14.0 free-threading build (as seen by modules)";
}

// --- Reference counts.

int PyUnstable_Object_IsUniquelyReferenced(PyObject *object) { return Py_REFCNT(object) == 1; }
int PyUnstable_Object_IsUniqueReferencedTemporary(PyObject *object) {
    (void)object;
    return 0;
}
int PyUnstable_Object_EnableDeferredRefcount(PyObject *object) {
    (void)object;
    return 0;
}
int PyUnstable_IsImmortal(PyObject *object) { return _Py_IsImmortal(object); }
void PyUnstable_EnableTryIncRef(PyObject *object) { (void)object; }
int PyUnstable_TryIncRef(PyObject *object) {
    Py_INCREF(object);
    return 1;
}
void _Py_SetImmortal(PyObject *object) {
    object->ob_tid = 0;
    object->ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL;
    object->ob_ref_shared = 0;
}
void _PyObject_XDecRefDelayed(PyObject *object) { Py_XDECREF(object); }

// Only one thread runs here: a lock is free, and a section that locks nothing will do.
int _PyMutex_LockTimed(PyMutex *mutex, int64_t timeout, int flags) {
    (void)timeout;
    (void)flags;
    PyMutex_Lock(mutex);
    return 1;
}
void PyCriticalSection_BeginMutex(PyCriticalSection *section, PyMutex *mutex) {
    (void)mutex;
    memset(section, 0, sizeof *section);
}
void PyCriticalSection2_BeginMutex(PyCriticalSection2 *section, PyMutex *one, PyMutex *other) {
    (void)one;
    (void)other;
    memset(section, 0, sizeof *section);
}

// --- Types.

int PyType_Freeze(PyTypeObject *type) {
    (void)type;
    return 0;
}
// 3.13 knows no tokens, and no slot for them: types whose specification has that slot are made without it.
int PyType_GetBaseByToken(PyTypeObject *type, void *token, PyTypeObject **result) {
    (void)type;
    (void)token;
    if (result != NULL) *result = NULL;
    return 0;
}

enum { TOKEN_SLOT = 83 };

typedef PyObject *FromMetaclass(PyTypeObject *metaclass, PyObject *module, PyType_Spec *spec, PyObject *bases);

static PyObject *type_without_token(PyTypeObject *metaclass, PyObject *module, PyType_Spec *spec, PyObject *bases) {
    FromMetaclass *const own = (FromMetaclass *)dlsym(RTLD_NEXT, "PyType_FromMetaclass");
    size_t count = 0;
    while (spec->slots[count].slot != 0) ++count;
    PyType_Slot *const kept = PyMem_Calloc(count + 1, sizeof *kept);
    if (kept == NULL) return PyErr_NoMemory();
    size_t used = 0;
    for (size_t at = 0; at != count; ++at) {
        if (spec->slots[at].slot != TOKEN_SLOT) kept[used++] = spec->slots[at];
    }
    PyType_Spec without = *spec;
    without.slots = kept;
    PyObject *const type = own(metaclass, module, &without, bases);
    PyMem_Free(kept);
    return type;
}

PyObject *PyType_FromMetaclass(PyTypeObject *metaclass, PyObject *module, PyType_Spec *spec, PyObject *bases) {
    return type_without_token(metaclass, module, spec, bases);
}
PyObject *PyType_FromModuleAndSpec(PyObject *module, PyType_Spec *spec, PyObject *bases) {
    return type_without_token(NULL, module, spec, bases);
}
PyObject *PyType_FromSpecWithBases(PyType_Spec *spec, PyObject *bases) {
    return type_without_token(NULL, NULL, spec, bases);
}
PyObject *PyType_FromSpec(PyType_Spec *spec) { return type_without_token(NULL, NULL, spec, NULL); }

// --- Iterators, attributes.

int PyIter_NextItem(PyObject *iterator, PyObject **item) {
    *item = PyIter_Next(iterator);
    return *item != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

PyObject *PyImport_ImportModuleAttr(PyObject *module_name, PyObject *name) {
    PyObject *const module = PyImport_Import(module_name);
    if (module == NULL) return NULL;
    PyObject *const found = PyObject_GetAttr(module, name);
    Py_DECREF(module);
    return found;
}
PyObject *PyImport_ImportModuleAttrString(const char *module_name, const char *name) {
    PyObject *const module = PyImport_ImportModule(module_name);
    if (module == NULL) return NULL;
    PyObject *const found = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return found;
}

int PySys_GetOptionalAttrString(const char *name, PyObject **value) {
    *value = Py_XNewRef(PySys_GetObject(name));
    return *value != NULL;
}
PyObject *PySys_GetAttrString(const char *name) {
    PyObject *const found = Py_XNewRef(PySys_GetObject(name));
    if (found == NULL) PyErr_Format(PyExc_RuntimeError, "lost sys.%s", name);
    return found;
}
int PySys_GetOptionalAttr(PyObject *name, PyObject **value) {
    return PySys_GetOptionalAttrString(PyUnicode_AsUTF8(name), value);
}
PyObject *PySys_GetAttr(PyObject *name) { return PySys_GetAttrString(PyUnicode_AsUTF8(name)); }

// --- Numbers.

static int sign_of(PyObject *number) {
    static const int signs[] = {1, 0, -1, 0};  // by the two lowest bits of the tag
    return signs[((PyLongObject *)number)->long_value.lv_tag & 3];
}
int PyLong_GetSign(PyObject *number, int *sign) {
    if (!PyLong_Check(number)) {
        PyErr_SetString(PyExc_TypeError, "expect int");
        return -1;
    }
    *sign = sign_of(number);
    return 0;
}
int PyLong_IsPositive(PyObject *number) { return PyLong_Check(number) ? sign_of(number) > 0 : -1; }
int PyLong_IsNegative(PyObject *number) { return PyLong_Check(number) ? sign_of(number) < 0 : -1; }
int PyLong_IsZero(PyObject *number) { return PyLong_Check(number) ? sign_of(number) == 0 : -1; }

// The writer is the number itself, as in 3.14.
void *PyLongWriter_Create(int negative, Py_ssize_t count, void **digits) {
    PyLongObject *const number = _PyLong_New(count);
    if (number == NULL) return NULL;
    number->long_value.lv_tag = ((uintptr_t)count << _PyLong_NON_SIZE_BITS) | (negative ? 2 : 0);
    *digits = number->long_value.ob_digit;
    return number;
}
PyObject *PyLongWriter_Finish(void *writer) {
    PyLongObject *const number = writer;
    const uintptr_t sign = number->long_value.lv_tag & 3;
    uintptr_t count = number->long_value.lv_tag >> _PyLong_NON_SIZE_BITS;
    while (count != 0 && number->long_value.ob_digit[count - 1] == 0) --count;
    number->long_value.lv_tag = count == 0 ? 1 : (count << _PyLong_NON_SIZE_BITS) | sign;
    return (PyObject *)number;
}
void PyLongWriter_Discard(void *writer) { Py_XDECREF((PyObject *)writer); }

typedef struct {
    uint8_t bits_per_digit, digit_size;
    int8_t digits_order, digit_endianness;
} Layout;
const Layout *PyLong_GetNativeLayout(void) {
    static const Layout layout = {PyLong_SHIFT, sizeof(digit), -1, PY_LITTLE_ENDIAN ? -1 : 1};
    return &layout;
}

typedef struct {
    int64_t value;
    uint8_t negative;
    Py_ssize_t count;
    const void *digits;
    uintptr_t reserved;
} Export;
int PyLong_Export(PyObject *number, Export *export) {
    memset(export, 0, sizeof *export);
    if (!PyLong_Check(number)) {
        PyErr_SetString(PyExc_TypeError, "expected int");
        return -1;
    }
    int overflow = 0;
    export->value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow == 0) return 0;
    const PyLongObject *const exported = (const PyLongObject *)Py_NewRef(number);
    export->value = 0;
    export->negative = overflow < 0;
    export->count = (Py_ssize_t)(exported->long_value.lv_tag >> _PyLong_NON_SIZE_BITS);
    export->digits = exported->long_value.ob_digit;
    export->reserved = (uintptr_t)number;
    return 0;
}
void PyLong_FreeExport(Export *export) {
    Py_XDECREF((PyObject *)export->reserved);
    export->reserved = 0;
}

PyObject *PyLong_FromInt32(int32_t value) { return PyLong_FromLong(value); }
PyObject *PyLong_FromUInt32(uint32_t value) { return PyLong_FromUnsignedLong(value); }
PyObject *PyLong_FromInt64(int64_t value) { return PyLong_FromLongLong(value); }
PyObject *PyLong_FromUInt64(uint64_t value) { return PyLong_FromUnsignedLongLong(value); }

// --- Texts and bytes.

void *newer_unicode_data(PyObject *text) EXPORTED_AS(PyUnicode_DATA);
void *newer_unicode_data(PyObject *text) { return PyUnicode_DATA(text); }
int newer_unicode_kind(PyObject *text) EXPORTED_AS(PyUnicode_KIND);
int newer_unicode_kind(PyObject *text) { return PyUnicode_KIND(text); }

int PyUnicode_Equal(PyObject *one, PyObject *other) {
    if (!PyUnicode_Check(one) || !PyUnicode_Check(other)) {
        PyErr_SetString(PyExc_TypeError, "arguments must be str");
        return -1;
    }
    return PyUnicode_Compare(one, other) == 0;
}

PyObject *PyBytes_Join(PyObject *separator, PyObject *iterable) {
    return PyObject_CallMethod(separator, "join", "O", iterable);
}

Py_hash_t Py_HashBuffer(const void *bytes, Py_ssize_t length) {
    PyObject *const object = PyBytes_FromStringAndSize(bytes, length);
    if (object == NULL) return -1;
    const Py_hash_t hash = PyObject_Hash(object);
    Py_DECREF(object);
    return hash;
}

_PyUnicodeWriter *PyUnicodeWriter_Create(Py_ssize_t length) {
    _PyUnicodeWriter *const writer = PyMem_Calloc(1, sizeof *writer);
    if (writer == NULL) return (_PyUnicodeWriter *)PyErr_NoMemory();
    _PyUnicodeWriter_Init(writer);
    writer->min_length = length;
    writer->overallocate = 1;
    return writer;
}
void PyUnicodeWriter_Discard(_PyUnicodeWriter *writer) {
    if (writer == NULL) return;
    _PyUnicodeWriter_Dealloc(writer);
    PyMem_Free(writer);
}
PyObject *PyUnicodeWriter_Finish(_PyUnicodeWriter *writer) {
    PyObject *const text = _PyUnicodeWriter_Finish(writer);
    PyMem_Free(writer);
    return text;
}
int PyUnicodeWriter_WriteChar(_PyUnicodeWriter *writer, Py_UCS4 character) {
    return _PyUnicodeWriter_WriteChar(writer, character);
}
static int write_and_release(_PyUnicodeWriter *writer, PyObject *text) {
    if (text == NULL) return -1;
    const int status = _PyUnicodeWriter_WriteStr(writer, text);
    Py_DECREF(text);
    return status;
}
int PyUnicodeWriter_WriteUTF8(_PyUnicodeWriter *writer, const char *text, Py_ssize_t length) {
    return write_and_release(writer, PyUnicode_FromStringAndSize(text, length < 0 ? (Py_ssize_t)strlen(text) : length));
}
int PyUnicodeWriter_WriteASCII(_PyUnicodeWriter *writer, const char *text, Py_ssize_t length) {
    return PyUnicodeWriter_WriteUTF8(writer, text, length);
}
int PyUnicodeWriter_WriteStr(_PyUnicodeWriter *writer, PyObject *object) {
    return write_and_release(writer, PyObject_Str(object));
}
int PyUnicodeWriter_WriteRepr(_PyUnicodeWriter *writer, PyObject *object) {
    return write_and_release(writer, PyObject_Repr(object));
}
int PyUnicodeWriter_WriteSubstring(_PyUnicodeWriter *writer, PyObject *text, Py_ssize_t start, Py_ssize_t end) {
    return _PyUnicodeWriter_WriteSubstring(writer, text, start, end);
}
int PyUnicodeWriter_Format(_PyUnicodeWriter *writer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *const text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    return write_and_release(writer, text);
}
