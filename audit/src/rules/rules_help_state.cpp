// rules_help_state.cpp: what to do about state that threads share, for each framework.
//
// SPDX-License-Identifier: MIT
#include "rules/rules_help.hpp"

namespace interlock::auditing::rules::help {

const std::string_view how_to_protect_state =
    R"(Look at each variable or call that is listed: is it written after the import, and can two threads be there?
If not, accept the finding (a policy rule, `--ignore` or the baseline) and say why.

### C
Caches and counters: a `PyMutex` (3.13), an atomic, or `_Thread_local`; what belongs to the module: its state
(`m_size`, `PyModule_GetState()`); one-time initialisation: `call_once`. Instead of functions of the C library with
hidden state their forms with `_r` (POSIX) or `_s` (Windows), or a lock around every use.

### Cython
`cython.pymutex`, `with cython.critical_section(obj)` (3.1 or later), or module state instead of `cdef` variables at
module level. Part of the writable data of a Cython module are constants which it creates at import; they do no
harm.

### pybind11
A `std::mutex` around shared C++ objects, `py::scoped_critical_section` (3.0) around Python ones;
`py::gil_safe_call_once_and_store` instead of `static py::object`.

### nanobind
`nb::ft_mutex` and `nb::ft_lock_guard`, `nb::ft_object_guard`, or the annotations `nb::arg().lock()` and
`nb::lock_self()`.

### PyO3
Rust's rules cover safe code. `static mut`, `unsafe` and C libraries are left: `std::sync::Mutex`, `PyOnceLock`
(`GILOnceCell` before 0.26).

### f2py
COMMON blocks, `SAVE` variables, and local variables with an initial value are shared by all threads: pass them as
arguments, or declare them `!$omp threadprivate`. `threadsafe` in the signature file only releases the GIL.

### SWIG
Static variables of the wrapped library: a lock in the library, or around each call in an `%exception` block.

### mypyc
It does not protect attributes and globals of compiled code: use `threading.Lock` in Python for what threads share.

### cffi
The C library that is wrapped: a lock around its calls, in Python or in the C source given to `set_source()`.
)";

const std::string_view how_to_own_references =
    R"(A borrowed reference is safe when no other thread can change the container meanwhile: a dictionary of keyword
arguments, a list that was just made. Everywhere else own the reference; `pythoncapi-compat` brings the new
functions to older versions.

### C
`PyList_GetItemRef`, `PyDict_GetItemRef`, `PyDict_GetItemStringRef`, `PyDict_SetDefaultRef`, `PyWeakref_GetRef`,
`PyImport_AddModuleRef` (3.13); around a loop with `PyDict_Next`:

```c
Py_BEGIN_CRITICAL_SECTION(dict);
while (PyDict_Next(dict, &position, &key, &value)) { ... }
Py_END_CRITICAL_SECTION();
```

`Py_INCREF()` on a borrowed reference comes too late: the object may be gone by then.

### Cython
Its generated code uses such functions itself, on objects of its own; look at what the `.pyx` file declares with
`cdef extern`.

### pybind11
Part of pybind11 itself. Use the newest version, and look at calls of the C API in your own code; iterate over a
copy of a `py::dict` that threads share.

### nanobind
As for pybind11.

### PyO3
Its safe types own references; look at `pyo3::ffi` in your own code.

### f2py
In generated code, on objects of its own; look at `usercode`.

### SWIG
In generated code, mostly on its own objects; look at typemaps.

### mypyc
In generated code; use the newest version.

### cffi
In generated code, on objects of its own.
)";

}  // namespace interlock::auditing::rules::help
