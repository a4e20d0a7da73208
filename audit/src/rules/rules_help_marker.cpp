// rules_help_marker.cpp: how each framework writes the marker. What is said of versions is what their sources say; the
// first version that can do it is named, as older ones ignore or refuse the option.
//
// SPDX-License-Identifier: MIT
#include "rules/rules_help.hpp"

namespace interlock::auditing::rules::help {

const std::string_view how_to_mark =
    R"(First make the module safe without the GIL: state that its functions share needs a lock, an atomic or a place
for each thread. Then declare it, and build it for a free-threaded interpreter.

### C
Multi-phase initialisation: one more slot.

```c
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};
```

Single-phase initialisation: in `PyInit_...`, behind `PyModule_Create()`.

```c
#ifdef Py_GIL_DISABLED
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
```

On Windows `Py_GIL_DISABLED` has to be given to the compiler: `/DPy_GIL_DISABLED=1`.

### Cython
3.1 or later, at the top of the `.pyx` file:

    # cython: freethreading_compatible = True

or for all files `cythonize(..., compiler_directives={"freethreading_compatible": True})`, or `cython
-Xfreethreading_compatible=True`. From 3.2.3 the C macro `CYTHON_FREETHREADING_COMPATIBLE` overrides it. Cython 3.0
cannot mark a module.

### pybind11
2.13 or later:

```cpp
PYBIND11_MODULE(name, m, py::mod_gil_not_used()) { ... }
```

### nanobind
2.2 or later, in CMake; the marker comes with it:

    nanobind_add_module(name FREE_THREADED source.cpp)

### PyO3
0.28 or later marks modules unless they say otherwise. From 0.23 on:

```rust
#[pymodule(gil_used = false)]
fn name(m: &Bound<'_, PyModule>) -> PyResult<()> { ... }
```

### f2py
NumPy 2.1 or later: `f2py --freethreading-compatible ...`; with Meson, in the arguments of the custom target that
runs it.

### SWIG
4.4 or later: `swig -python -nogil ...`. SWIG up to 4.3 cannot mark a module.

### mypyc
mypy 1.18.1 or later marks everything that it compiles on a free-threaded interpreter; there is no option. Compile
it again with that version.

### cffi
2.0 or later on both sides: generate the source again, and depend on `cffi >= 2.0`. A module in API mode holds no
marker of its own; `_cffi_backend` of the cffi that is installed has it.

### interlock
`IL_MODULE(name, FREE, ...)` of `interlock/module.h`.
)";

const std::string_view how_to_change_the_mark =
    R"(The marker is there and says that the GIL is used. Find out why: somebody may have known a reason. When there
is none (any more), change it where it comes from.

### C
The value of the `Py_mod_gil` slot, or the second argument of `PyUnstable_Module_SetGIL()`: `Py_MOD_GIL_NOT_USED`.

### Cython
Cython writes "used" into every free-threaded build that does not ask for something else: `# cython:
freethreading_compatible = True` (3.1 or later). Look for a C macro `CYTHON_FREETHREADING_COMPATIBLE=0` as well,
which overrides it.

### pybind11
It never says "used": without `py::mod_gil_not_used()` there is no marker. Look for a call of
`PyUnstable_Module_SetGIL()` in the body of the module.

### nanobind
It never says "used". Look for a call of `PyUnstable_Module_SetGIL()` in the body of the module.

### PyO3
0.23 to 0.27 write "used" unless the module says `#[pymodule(gil_used = false)]`; 0.28 and later only for `gil_used
= true`, and for a body that calls `m.gil_used(true)`.

### f2py
The default is "used": `f2py --freethreading-compatible ...` (NumPy 2.1 or later).

### SWIG
`swig -python -nogil ...` (4.4 or later).

### mypyc
It never says "used". The module was post-processed or is not from mypyc.

### cffi
`_cffi_backend` decides: `cffi >= 2.0`.

### interlock
`IL_MODULE(name, FREE, ...)`; or `MODULE_LOCK`, if one caller at a time is safe.
)";

const std::string_view how_to_mark_in_time =
    R"(With multi-phase initialisation the interpreter decides when it creates the module, before any `Py_mod_exec`
function runs. `PyUnstable_Module_SetGIL()` counts only in a `PyInit_...` that returns a finished module
(single-phase).

### C
Move the statement from the exec function into the slots: `{Py_mod_gil, Py_MOD_GIL_NOT_USED}`, in `#ifdef
Py_GIL_DISABLED`.

### Cython
Its exec function contains the call in any case; what counts is the slot, which `# cython: freethreading_compatible
= True` sets (3.1 or later).

### pybind11
`PYBIND11_MODULE(name, m, py::mod_gil_not_used())`, instead of a call in the body: from 3.0 on the body is an exec
function.

### nanobind
`nanobind_add_module(name FREE_THREADED ...)`, instead of a call in the body of `NB_MODULE`, which is an exec
function from 2.8 on.

### PyO3
`#[pymodule(gil_used = false)]`, instead of `m.gil_used(false)` in the body, which comes too late from 0.28 on.

### f2py
`f2py --freethreading-compatible ...`, instead of a call in `usercode`.

### SWIG
`swig -python -nogil ...` (4.4 or later), instead of a call in `%init`, which is in the exec function from 4.4 on.

### mypyc
It states the slot itself (mypy 1.18.1 or later).

### cffi
`_cffi_backend` states it (`cffi >= 2.0`); a call in the C source of the extension is of no use.
)";

const std::string_view how_to_choose_the_value =
    R"(Decide which one is meant, and use the constants of the headers: `Py_MOD_GIL_USED`, `Py_MOD_GIL_NOT_USED`.

### C
`{Py_mod_gil, Py_MOD_GIL_NOT_USED}`: the constant itself is the value. Neither its address, nor a variable, `Py_True` or
a version number; the same for the second argument of `PyUnstable_Module_SetGIL()`.

### PyO3
It writes right values. A slot array made by hand with `pyo3-ffi`: `value: Py_MOD_GIL_NOT_USED`.

### Cython, pybind11, nanobind, f2py, SWIG, mypyc, cffi
None of them writes another value: look for slots or calls that were added by hand, in patches of the generated source,
in verbatim C of a `.pyx` file, in f2py's `usercode`, or in SWIG's `%init` and `%{ %}` blocks.
)";

const std::string_view how_to_mark_once =
    R"(Remove one of the two.

### C
One `Py_mod_gil` slot in the whole array, with what `Py_mod_slots` and `Py_slot_subslots` bring in. The usual cause is a
macro that adds the slot to an array in which it stands already.

### PyO3
It writes one. A slot array made by hand with `pyo3-ffi`: look for a number, 4, beside the constant, which is 87
from 3.15 on.

### Cython, pybind11, nanobind, f2py, SWIG, mypyc, cffi
None of them writes two: the other one was added by hand, in a patch of the generated source. Remove that one, and ask
for the marker in the framework's own way (`interlock explain IL001`).
)";

const std::string_view how_to_build_free_threaded =
    R"(Build the file with a free-threaded interpreter and its headers, in an environment without old objects, and
let the build tool choose file name and wheel tag.

### C
With setuptools: run the build with `python3.14t` itself. No `py_limited_api=True` before 3.15; from 3.15 on compile
with `-DPy_TARGET_ABI3T=0x030f0000` for the stable ABI of both kinds of interpreter (abi3t).

### Cython
The same; without `Py_LIMITED_API` in `define_macros` on free-threaded interpreters.

### pybind11
The same. With CMake: `find_package(Python 3.13 COMPONENTS Interpreter Development.Module)` finds the interpreter
that the build was started with; a cached `Python_EXECUTABLE` of another one is the usual mistake.

### nanobind
No `STABLE_ABI` on free-threaded interpreters before nanobind 3, which can build `.abi3t.so` files for 3.15.

### PyO3
The `abi3` features are of no use for a free-threaded interpreter before 3.15: build for each version. PyO3 0.29 has
`abi3t`.

### f2py
Run the `f2py` of the free-threaded environment: `python3.14t -m numpy.f2py`.

### SWIG
Compile the generated file with the headers of the free-threaded interpreter; generating it again is not needed.

### mypyc
Run mypyc with the free-threaded interpreter: it decides by it how modules are initialised.

### cffi
`py_limited_api=False` in `ffibuilder.set_source(...)` for free-threaded interpreters before 3.15.

With cibuildwheel look for files that an earlier build left in the source folder: it copies them into the next
wheel.
)";

}  // namespace interlock::auditing::rules::help
