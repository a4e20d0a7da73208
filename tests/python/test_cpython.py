"""CPython's own test modules, where the interpreter has been built with them (Debian's and --disable-test-modules have
none).

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

import cases
from cases import Case, INTERLOCK, PLAIN

LOAD = """
import importlib.machinery, importlib.util
origin = importlib.util.find_spec("LIBRARY").origin
def load(name):
    loader = importlib.machinery.ExtensionFileLoader(name, origin)
    spec = importlib.util.spec_from_file_location(name, origin, loader=loader)
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except Exception as error:
        return type(error).__name__
    return "ok"
say(result=load("NAME"))
"""
# By library: names that it has an init function for.
NAMES = {
    "_testmultiphase": (
        "_testmultiphase", "_testmultiphase_nonmodule", "_testmultiphase_nonmodule_with_methods",
        "_testmultiphase_null_slots", "_testmultiphase_bad_slot_large", "_testmultiphase_bad_slot_negative",
        "_testmultiphase_create_int_with_state", "_testmultiphase_negative_size", "_testmultiphase_export_null",
        "_testmultiphase_export_uninitialized", "_testmultiphase_export_raise",
        "_testmultiphase_export_unreported_exception", "_testmultiphase_create_null", "_testmultiphase_create_raise",
        "_testmultiphase_create_unreported_exception", "_testmultiphase_nonmodule_with_exec_slots",
        "_testmultiphase_exec_err", "_testmultiphase_exec_raise", "_testmultiphase_exec_unreported_exception",
        "_testmultiphase_multiple_create_slots", "_testmultiphase_multiple_multiple_interpreters_slots",
        "_test_non_isolated", "_test_shared_gil_only", "_test_no_multiple_interpreter_slot"),
    "_testsinglephase": (
        "_testsinglephase", "_testsinglephase_basic_wrapper", "_testsinglephase_basic_copy",
        "_testsinglephase_with_reinit", "_testsinglephase_with_state", "_testsinglephase_check_cache_first",
        "_testsinglephase_with_reinit_check_cache_first", "_testsinglephase_with_state_check_cache_first",
        "_testsinglephase_circular", "_testsinglephase_raise_exception"),
}


class Own(unittest.TestCase):
    """The result is CPython's. So is the GIL, but for what fails after it is created: who decides before does not know
    that, and leaves the GIL on."""

    def as_cpython(self, library: str) -> None:
        there = cases.world.run(f"from probe import *\nsay(there=attempt({library!r}))", PLAIN)
        if there.facts["there"] != "ok":
            self.skipTest(f"this interpreter has no {library}")
        for name in NAMES[library]:
            with self.subTest(name=name):
                code = LOAD.replace("LIBRARY", library).replace("NAME", name)
                plain, under = Case(code, None).run(PLAIN), Case(code, None).run(INTERLOCK)
                self.assertEqual((plain.status, under.status), (0, 0), f"{plain}\n{under}")
                self.assertEqual(under.facts, plain.facts, under)
                if plain.facts["result"] == "ok" or plain.gil:
                    self.assertEqual((under.gil, [one.module for one in under.warned]),
                                     (plain.gil, [one.module for one in plain.warned]), under)
                else:
                    self.assertEqual([one.module for one in under.warned], [name] * bool(under.gil), under)

    def test_multi_phase(self) -> None:
        self.as_cpython("_testmultiphase")

    def test_single_phase(self) -> None:
        self.as_cpython("_testsinglephase")


# What the standard library has: all of it is marked.
STANDARD = """
import importlib.machinery, os
folder = os.path.dirname(os.__file__) + "/lib-dynload"  # in a virtual environment sysconfig names that one's
suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
names = sorted(name.partition(".")[0] for name in os.listdir(folder) if name.endswith(suffixes))
wanted = [name for name in names if not name.startswith(("_test", "xx", "_ctypes_test", "_tkinter"))]
say(some=len(wanted) > 30, failed=[name for name in wanted if attempt(name) != "ok"], on=gil())
"""


class Standard(unittest.TestCase):
    def test_extension_modules(self) -> None:
        plain, under = Case(STANDARD, None).run(PLAIN), Case(STANDARD, None).run(INTERLOCK)
        self.assertEqual(plain.facts, under.facts, under)
        self.assertEqual((under.facts["some"], under.facts["on"]), (True, False), under)
        self.assertEqual((under.status, under.warned), (0, []), under)
