// rules_help_package.cpp: what to do about modules that do not fit together: of a package, of a universal file, or with
// the module that decides for them; and about those of which nothing is known.
//
// SPDX-License-Identifier: MIT
#include "rules/rules_help.hpp"

namespace interlock::auditing::rules::help {

const std::string_view how_to_complete_a_package =
    R"(Mark the modules that the finding names, or leave them out of the wheel. `interlock explain IL001` shows the
marker itself; here is why single modules go without it.

### C
Each definition needs its own slot: a macro in a header that all of them include keeps them alike.

### Cython
`# cython: freethreading_compatible = True` counts for its own file only. For all of them:
`cythonize(..., compiler_directives={"freethreading_compatible": True})` (3.1 or later).

### pybind11
Each `PYBIND11_MODULE` needs `py::mod_gil_not_used()`.

### nanobind
Each `nanobind_add_module` needs `FREE_THREADED`.

### PyO3
Each crate has a version of PyO3 of its own; from 0.23 to 0.27 each `#[pymodule]` needs `gil_used = false`.

### f2py
Each call needs `--freethreading-compatible`.

### SWIG
Each call needs `-nogil` (4.4 or later).

### mypyc
All modules of one build are marked (mypy 1.18.1 or later): the others are left over from an older build.

### cffi
Its modules have no marker of their own, and are as good as the `_cffi_backend` that is found: `cffi >= 2.0`.

Files that no source of the package makes were copied: from an earlier build in the source folder, or with a vendored
library.
)";

const std::string_view how_to_find_out =
    R"(`interlock inspect FILE` prints how far the audit got, and the reason. What a free-threaded interpreter does is
known after one import, in an environment in which the package can be imported:

    env -u PYTHON_GIL python3.14t -W error::RuntimeWarning -c "import package.module"

It fails with the warning that names the module when the GIL came on.

A file that is packed or encrypted cannot be audited: audit it before that. In a build without the emulator only
constant slots are read: use one with it. Otherwise please report the file, so that the audit learns it.

Meanwhile a policy rule with a reason, or `--ignore`, accepts the module; `--strict` makes the finding count. Where it
can be chosen, a constant slot table is what every tool can read:

### C
A `static PyModuleDef_Slot` array with `{Py_mod_gil, Py_MOD_GIL_NOT_USED}`, and no code before `PyModuleDef_Init()`.

### Cython, nanobind, PyO3, SWIG, mypyc
Newer versions write such tables: Cython 3.1, nanobind 2.8, PyO3 0.28, SWIG 4.4, mypy 1.18.1.

### pybind11
It fills its table when the module is imported; code in front of it, such as a static object of the module's own that
the init function needs, is what the audit may fail at.

### cffi
The module decides nothing; audit it together with `_cffi_backend` (`--path`).
)";

const std::string_view how_to_provide_the_target =
    R"(Name the folder that contains it: `interlock audit --path SITE_PACKAGES ...`, or audit the environment in which
both are installed.

### cffi
Install `cffi >= 2.0` for the same interpreter; `--path` is the folder in which `_cffi_backend` lies.

### mypyc
The group module (`...__mypyc...so`) belongs into the same wheel: it is missing there.

### nanobind
Install the backend package that the wheel depends on (nanobind 3 in split mode); `--path` is the folder in which it
lies.

### C
Boost.Python: `--path` is the folder with `libboost_python3*.so`. A module that takes its creation from a capsule of
another module: the folder in which that one lies.

### Cython, pybind11, PyO3, f2py, SWIG
Modules of these create themselves.
)";

const std::string_view how_to_audit_the_right_build =
    R"(Audit all builds of the distribution together (`interlock audit --python 3.14t dist/`), or only the one that is
for this interpreter. In CI look that the build list has it, as `cp314t-*` in that of cibuildwheel, and that the step
which builds it has not been skipped. `interlock audit` without `--python` shows for which interpreters the files are.
)";

const std::string_view how_to_join_slices =
    R"(Build all slices from the same source with the same options, and with the same version of the framework.
`interlock inspect FILE` prints each slice; `lipo -info FILE` names them.

### C
One call of the compiler for all: `ARCHFLAGS="-arch arm64 -arch x86_64"` with setuptools,
`-DCMAKE_OSX_ARCHITECTURES="arm64;x86_64"` with CMake. Look for `#if` on the architecture around the slots.

### Cython, pybind11, nanobind, SWIG, mypyc, cffi
The same: the generated source is one, so the slices differ by options (`-D...`), or by a file left from an earlier
build.

### PyO3
`maturin build --target universal2-apple-darwin` builds both; two wheels that are merged need one `Cargo.lock`.

### f2py
Wheels for one architecture each are the usual way, as Fortran compilers build one at a time.

Of wheels that are merged (`delocate-merge`) both have to be of the same build.
)";

}  // namespace interlock::auditing::rules::help
