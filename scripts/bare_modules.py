# The smallest extension modules that are marked, or not: what is compared and measured of an interpreter.
#
# SPDX-License-Identifier: MIT
import json
import pathlib
import subprocess
from collections.abc import Iterable

SOURCE = """
#include <Python.h>
static PyModuleDef_Slot slots[] = {MARK{0, NULL}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "NAME", .m_slots = slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&definition); }
"""


def build(python: str, folder: pathlib.Path, marked: Iterable[str], unmarked: Iterable[str]) -> str:
    """Compiles modules of these names for the interpreter. Returns the suffix of their files."""
    asked = "import json, sysconfig; print(json.dumps([sysconfig.get_path('include'), " \
        "sysconfig.get_config_var('EXT_SUFFIX')]))"
    include, suffix = json.loads(subprocess.run([python, "-I", "-c", asked], stdout=subprocess.PIPE, check=True).stdout)
    marks = {name: "{Py_mod_gil, Py_MOD_GIL_NOT_USED}, " for name in marked} | {name: "" for name in unmarked}
    for name, mark in marks.items():
        source = folder / f"{name}.c"
        source.write_text(SOURCE.replace("NAME", name).replace("MARK", mark))
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-I", include, source, "-o", folder / (name + suffix)],
                       check=True)
    return suffix
