"""Modules of each kind: what their import does to the GIL.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

import cases
from cases import Case, Expect, INTERLOCK, table


def imports(*names: str) -> str:
    return f"say(result=[attempt(name) for name in {list(names)}])"


def ok(gil: bool, *warned: str, result: tuple[str, ...] = ("ok",), **more: object) -> Expect:
    return Expect(gil, warned, {"result": list(result), **more})


@table({
    # What is marked: no warning, no GIL.
    "multi_free": Case(imports("multi_free"), ok(False)),
    "single_free": Case(imports("single_free"), ok(False)),
    "single_again_free": Case(imports("single_again_free"), ok(False)),
    "package_free": Case(imports("pack_free", "pack_free.inner"), ok(False, result=("ok", "ok"))),
    # What is not, or says that it needs the GIL.
    "multi_unmarked": Case(imports("multi_unmarked"), ok(True, "multi_unmarked")),
    "multi_used": Case(imports("multi_used"), ok(True, "multi_used")),
    "single_unmarked": Case(imports("single_unmarked"), ok(True, "single_unmarked")),
    "single_used": Case(imports("single_used"), ok(True, "single_used")),
    "single_again": Case(imports("single_again"), ok(True, "single_again")),
    # CPython names the first only; interlock each.
    "two_culprits": Case(imports("multi_unmarked", "single_unmarked"), ok(True, "multi_unmarked", result=("ok", "ok")),
                         ok(True, "multi_unmarked", "single_unmarked", result=("ok", "ok"))),
    "package_unmarked": Case(imports("pack"), ok(True, "pack")),
    "submodule_unmarked": Case(imports("pack_free.unmarked"), ok(True, "pack_free.unmarked")),
    "package_and_submodule": Case(imports("pack.inner"), ok(True, "pack"), ok(True, "pack", "pack.inner")),
    # A marked module that imports an unmarked one, in its execution, and in its init function.
    "exec_imports_unmarked": Case(imports("multi_imports"), ok(True, "multi_unmarked")),
    "init_imports_unmarked": Case(imports("single_free_imports"), ok(True, "multi_unmarked")),
    "init_imports_free": Case(imports("single_imports_free"), ok(False)),
    # For CPython the inner one ends first. Interlock decides before either is mapped.
    "unmarked_imports_unmarked": Case(imports("single_imports"), ok(True, "multi_unmarked"),
                                      ok(True, "single_imports", "multi_unmarked")),
    # An init function of a marked module that imports one which CPython has to judge.
    "init_imports_undetermined": Case(imports("single_imports_environment"), ok(False)),
    "init_imports_undetermined_used": Case(imports("single_imports_environment"), ok(True, "environment"),
                                           env={"ACME_USE_GIL": "1"}),
})
class Kinds(unittest.TestCase):
    pass


@table({
    # What another module makes is as that one, which is named first: it is decided before anything is mapped.
    "free": Case(imports("made_free"), ok(False)),
    "used": Case(imports("made_used"), ok(True, "maker_used"), ok(True, "made_used", "maker_used")),
    "maker_is_overridden": Case(imports("made_used"), ok(True, "maker_used"), ok(False),
                                options=("--override", "maker_used=free")),
    "maker_is_refused": Case(imports("made_free"), ok(False), ok(True, "made_free", result=("ImportError",)),
                             options=("--override", "maker_free=refuse")),
    "overridden": Case(imports("made_used"), ok(True, "maker_used"), ok(True, "maker_used"),
                       options=("--override", "made_used=free")),
    "there_is_no_maker": Case(imports("made_of_nothing"), ok(False, result=("ModuleNotFoundError",))),
})
class MadeByOthers(unittest.TestCase):
    def test_says_by_whom__interlock(self) -> None:
        run = Case(imports("made_free") + "\nimport interlock\n"
                   "say(why=[(one['says'], one['decided'], one['text']) for one in interlock.modules()[-1]['why']])\n",
                   None).run(INTERLOCK)
        maker = cases.world.path_of("maker_free")
        self.assertEqual(run.facts["why"], [
            [None, False, "its module is made by 'maker_free', which decides"],
            ["interpreter", False, "what it does is not known, so the interpreter decides"],
            ["free", True, f"its module is made by maker_free ({maker}), which says: its Py_mod_gil slot says "
                           "Py_MOD_GIL_NOT_USED"]], run)

    def test_search_is_interrupted__interlock(self) -> None:
        """What is found by Python code may end in any way, and the import with it."""
        code = ("import importlib.machinery\nfinder = importlib.machinery.PathFinder\n"
                "def search(name, path=None, target=None, find=finder.find_spec):\n"
                "    if name == 'maker_free':\n        raise {}('enough')\n    return find(name, path, target)\n"
                "finder.find_spec = staticmethod(search)\n" + imports("made_free"))
        run = Case(code.format("KeyboardInterrupt"), None).run(INTERLOCK)
        self.assertEqual((run.status, run.gil, run.facts), (0, False, {"result": ["KeyboardInterrupt"]}), run)
        # A search that fails finds nothing: then CPython decides, and comes to the same.
        run = Case(code.format("ValueError"), None).run(INTERLOCK)
        self.assertEqual((run.status, run.gil, run.facts), (0, False, {"result": ["ValueError"]}), run)


@table({
    # The init function fails: the GIL is off again. That they fail is all that the static reader can say of them.
    "init_raises": Case(imports("single_raises", "single_raises"),
                        ok(False, result=("RuntimeError", "RuntimeError"))),
    "init_returns_null": Case(imports("single_null"), ok(False, result=("SystemError",))),
    # Who decides before does not know that creation is going to fail.
    "create_raises": Case(imports("multi_create_raises"), ok(False, result=("RuntimeError",)),
                          ok(True, "multi_create_raises", result=("RuntimeError",))),
    "creates_no_module": Case(imports("multi_text"), ok(True, "multi_text")),
    "exec_raises": Case(imports("multi_exec_raises", "multi_exec_raises"),
                        ok(True, "multi_exec_raises", result=("RuntimeError", "RuntimeError"))),
    "exec_raises_free": Case(imports("multi_exec_raises_free"), ok(False, result=("RuntimeError",))),
    "no_init_function": Case(imports("no_init"), ok(False, result=("ImportError",))),
    "no_library": Case(imports("garbage"), ok(False, result=("ImportError",))),
    "no_file": Case(imports("multi_free.gone", "gone"),
                    ok(False, result=("ModuleNotFoundError", "ModuleNotFoundError"))),
    # Afterwards all is as it was: the next one is judged anew.
    "failure_then_free": Case(imports("single_raises", "no_init", "garbage", "multi_free"),
                              ok(False, result=("RuntimeError", "ImportError", "ImportError", "ok"))),
    "failure_then_unmarked": Case(imports("single_raises", "multi_unmarked"),
                                  ok(True, "multi_unmarked", result=("RuntimeError", "ok"))),
})
class Failures(unittest.TestCase):
    pass


# Both are in their init functions before either imports the other. The import system finds the deadlock and fails one
# of the imports; which one is up to the threads. Where they run in parallel, both may find it.
CYCLE = """
import hooks, threading
both = threading.Barrier(2)
once = threading.local()
first = set()
lock = threading.Lock()
def meet(name):
    def handler():
        with lock:
            new = name not in first
            first.add(name)
        if new:
            both.wait()
    return handler
for name in ("LEFT", "RIGHT"):
    hooks.handlers[name, "init"] = meet(name)
results = in_threads(lambda: attempt("LEFT"), lambda: attempt("RIGHT"))
say(only=set(results) <= {"ok", "_DeadlockError"},
    later=[attempt("LEFT"), attempt("RIGHT")])
"""
CYCLE_FACTS = {"only": True, "later": ["ok", "ok"]}


def cycle(left: str, right: str) -> str:
    return CYCLE.replace("LEFT", left).replace("RIGHT", right)


@table({
    "two_unmarked": Case(
        'say(result=in_threads(lambda: attempt("multi_unmarked"), lambda: attempt("multi_unmarked_2")))',
        None, Expect(True, ("multi_unmarked", "multi_unmarked_2"), {"result": ["ok", "ok"]}, any_order=True)),
    "unmarked_beside_free": Case(
        'say(result=in_threads(*[lambda name=name: attempt(name) for name in ("multi_unmarked", "multi_free", '
        '"single_free", "pack_free", "single_again_free")]))',
        Expect(True, ("multi_unmarked",), {"result": ["ok"] * 5})),
    "undetermined_beside_free": Case(
        'say(result=in_threads(*[lambda name=name: attempt(name) for name in ("environment", "multi_free", '
        '"environment_2", "single_free", "by_path", "pack_free", "single_again_free")]))',
        Expect(False, (), {"result": ["ok"] * 7})),
    "undetermined_used_beside_free": Case(
        'say(result=in_threads(*[lambda name=name: attempt(name) for name in ("by_path_used", "multi_free", '
        '"environment_2", "single_free", "by_path", "pack_free", "single_again_free")]))',
        Expect(True, ("by_path_used",), {"result": ["ok"] * 7})),
    "same_unmarked": Case(
        'say(result=in_threads(*[lambda: attempt("single_unmarked")] * 8))\n'
        'import single_unmarked; say(initialized=single_unmarked.initialized)',
        Expect(True, ("single_unmarked",), {"result": ["ok"] * 8, "initialized": 1})),
    "same_free": Case(
        'say(result=in_threads(*[lambda: attempt("multi_free")] * 8))\n'
        'import multi_free; say(executed=multi_free.executed)',
        Expect(False, (), {"result": ["ok"] * 8, "executed": 1})),
    "same_undetermined": Case(
        'say(result=in_threads(*[lambda: attempt("environment")] * 8))',
        Expect(False, (), {"result": ["ok"] * 8})),
    "cycle_free": Case(cycle("single_left_free", "single_right_free"), Expect(False, (), CYCLE_FACTS)),
    "cycle_unmarked": Case(cycle("single_left", "single_right"), None,
                           Expect(True, ("single_left", "single_right"), CYCLE_FACTS, any_order=True)),
})
class Threads(unittest.TestCase):
    # Which of them CPython names is up to the threads. That it is but one is what CPython means: two that turn the GIL
    # on at the same moment make 3.13 count beyond INT_MAX, and then it names both.
    def test_two_unmarked__plain(self) -> None:
        self.some_of("multi_unmarked", "multi_unmarked_2",
                     'in_threads(lambda: attempt("multi_unmarked"), lambda: attempt("multi_unmarked_2"))')

    def test_cycle_unmarked__plain(self) -> None:
        self.some_of("single_left", "single_right", cycle("single_left", "single_right"))

    def some_of(self, one: str, other: str, code: str) -> None:
        run = Case(code, None).run("plain")
        self.assertEqual((run.status, run.gil), (0, True), run)
        self.assertIn(sorted(warned.module for warned in run.warned), ([one], [other], [one, other]), run)
