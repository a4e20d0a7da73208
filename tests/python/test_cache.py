"""Modules that are imported again, and imports that go around the import statement.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

from cases import Case, Expect, table

AGAIN = """
import importlib, sys
def again(name):
    first = importlib.import_module(name)
    del sys.modules[name]
    second = importlib.import_module(name)
    return first is second, getattr(second, "executed", None) or getattr(second, "initialized", None), gil()
"""
# (the same object, how often its body has run, the GIL)
TWICE = AGAIN + 'say(result=again("NAME"))'


def again(name: str, count: int, on: bool, warned: bool = True) -> Case:
    return Case(TWICE.replace("NAME", name),
                Expect(on, (name,) if on and warned else (), {"result": [False, count, on]}))


@table({
    "multi_free": again("multi_free", 2, False),
    "multi_unmarked": again("multi_unmarked", 2, True),
    # A single-phase module whose state has size -1 comes out of a cache: its init function is not called again.
    "single_free": again("single_free", 1, False),
    "single_unmarked": again("single_unmarked", 1, True),
    # With a size it is called again.
    "single_again_free": again("single_again_free", 2, False),
    "single_again": again("single_again", 2, True),
    # The rule counts at each of them.
    "multi_free_by_policy": Case(
        TWICE.replace("NAME", "multi_unmarked"), Expect(True, ("multi_unmarked",), {"result": [False, 2, True]}),
        Expect(False, (), {"result": [False, 2, False]}), options=("--override", "multi_unmarked=free")),
    "single_free_by_policy": Case(
        TWICE.replace("NAME", "single_unmarked"), Expect(True, ("single_unmarked",), {"result": [False, 1, True]}),
        Expect(False, (), {"result": [False, 1, False]}), options=("--override", "single_unmarked=free")),
    "single_again_free_by_policy": Case(
        TWICE.replace("NAME", "single_again"), Expect(True, ("single_again",), {"result": [False, 2, True]}),
        Expect(False, (), {"result": [False, 2, False]}), options=("--override", "single_again=free")),
    "refused_again": Case(
        'say(result=[attempt("multi_unmarked"), attempt("multi_unmarked")])',
        Expect(True, ("multi_unmarked",), {"result": ["ok", "ok"]}),
        Expect(False, (), {"result": ["ImportError", "ImportError"]}), options=("--override", "multi_unmarked=refuse")),
    "undetermined": Case(AGAIN + 'say(result=again("by_path"))', Expect(False, (), {"result": [False, 1, False]})),
    # What is judged by CPython is judged each time: here the environment has changed meanwhile.
    "undetermined_changed": Case(
        'import os, sys, environment\nsay(then=gil())\nos.environ["ACME_USE_GIL"] = "1"\n'
        'del sys.modules["environment"]\nimport environment',
        Expect(True, ("environment",), {"then": False})),
    # reload() executes nothing anew.
    "reload_multi": Case(
        "import importlib, multi_free, multi_unmarked\n"
        "say(result=[importlib.reload(one).executed for one in (multi_free, multi_unmarked)])",
        Expect(True, ("multi_unmarked",), {"result": [1, 1]})),
    "reload_single": Case(
        "import importlib, single_free, single_unmarked\n"
        "say(result=[importlib.reload(one).initialized for one in (single_free, single_unmarked)])",
        Expect(True, ("single_unmarked",), {"result": [1, 1]})),
    "reload_free_by_policy": Case(
        "import importlib, single_unmarked\nsay(result=importlib.reload(single_unmarked).initialized)",
        Expect(True, ("single_unmarked",), {"result": 1}), Expect(False, (), {"result": 1}),
        options=("--override", "single_unmarked=free")),
})
class Again(unittest.TestCase):
    pass


LOAD = """
import importlib.machinery, importlib.util
def load(name, file):
    path = "@MODULES@/" + file + "@SUFFIX@"
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.__name__
"""
CREATE = """
import _imp, importlib.machinery, types
def create(name, file):
    module = _imp.create_dynamic(types.SimpleNamespace(name=name, origin="@MODULES@/" + file + "@SUFFIX@"))
    return module.__name__
"""


@table({
    "loader_free": Case(LOAD + 'say(result=load("multi_free", "multi_free"))',
                        Expect(False, (), {"result": "multi_free"})),
    "loader_unmarked": Case(LOAD + 'say(result=load("multi_unmarked", "multi_unmarked"))',
                            Expect(True, ("multi_unmarked",), {"result": "multi_unmarked"})),
    "loader_refused": Case(
        LOAD + 'try:\n    load("multi_unmarked", "multi_unmarked")\nexcept ImportError as error:\n'
        '    say(name=error.name, path=error.path == "@MODULES@/multi_unmarked@SUFFIX@")',
        Expect(True, ("multi_unmarked",)), Expect(False, (), {"name": "multi_unmarked", "path": True}),
        options=("--override", "multi_unmarked=refuse")),
    # The name is that under which it is imported, for rules as well as for warnings.
    "loader_other_name": Case(
        LOAD + 'say(result=[load("one.multi_unmarked", "multi_unmarked"), '
        'load("two.multi_unmarked", "multi_unmarked")])',
        Expect(True, ("one.multi_unmarked",), {"result": ["one.multi_unmarked", "two.multi_unmarked"]}),
        Expect(True, ("one.multi_unmarked", "two.multi_unmarked"),
               {"result": ["one.multi_unmarked", "two.multi_unmarked"]})),
    "loader_other_name_free": Case(
        LOAD + 'say(result=load("one.multi_unmarked", "multi_unmarked"), then=gil())\nimport multi_unmarked',
        Expect(True, ("one.multi_unmarked",), {"result": "one.multi_unmarked", "then": True}),
        Expect(True, ("multi_unmarked",), {"result": "one.multi_unmarked", "then": False}),
        options=("--override", "one.multi_unmarked=free")),
    "loader_single_other_name": Case(
        LOAD + 'say(result=load("one.single_free", "single_free"))',
        Expect(False, (), {"result": "one.single_free"})),
    # An entry in sys.meta_path that finds modules where nobody looks.
    "finder": Case(
        "import importlib.abc, importlib.util, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'hidden.multi_unmarked':\n"
        "            return importlib.util.spec_from_file_location(name, '@MODULES@/multi_unmarked@SUFFIX@')\n"
        "        if name == 'hidden':\n"
        "            return importlib.machinery.ModuleSpec(name, None, is_package=True)\n"
        "sys.meta_path.insert(0, Finder())\nimport hidden.multi_unmarked\n",
        Expect(True, ("hidden.multi_unmarked",))),
    "create_free": Case(CREATE + 'say(result=create("multi_free", "multi_free"))',
                        Expect(False, (), {"result": "multi_free"})),
    "create_unmarked": Case(CREATE + 'say(result=create("multi_unmarked", "multi_unmarked"))',
                            Expect(True, ("multi_unmarked",), {"result": "multi_unmarked"})),
    "create_single": Case(CREATE + 'say(result=create("single_unmarked", "single_unmarked"))',
                          Expect(True, ("single_unmarked",), {"result": "single_unmarked"})),
    "create_with_file": Case(
        CREATE + "path = '@MODULES@/multi_unmarked@SUFFIX@'\n"
        "say(result=_imp.create_dynamic(types.SimpleNamespace(name='multi_unmarked', origin=path), path).__name__)",
        Expect(True, ("multi_unmarked",), {"result": "multi_unmarked"})),
    # As it fails in CPython.
    "create_wrong": Case(
        CREATE + "def fails(*arguments):\n    try:\n        _imp.create_dynamic(*arguments)\n"
        "    except Exception as error:\n        return type(error).__name__\n"
        "say(result=[fails(), fails(None), fails(types.SimpleNamespace(name='a')), "
        "fails(types.SimpleNamespace(name=1, origin='a')), fails(types.SimpleNamespace(name='a', origin='a\\0b'))])",
        Expect(False, (), {"result": ["TypeError", "AttributeError", "AttributeError", "TypeError", "ValueError"]})),
})
class Directly(unittest.TestCase):
    pass
