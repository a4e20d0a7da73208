"""The warning: its text together with the state of the GIL, where it points to, and filters.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

import cases
from cases import Case, Expect, INTERLOCK, PLAIN, Run, Warned, table

USERS_CODE = """
say(before=gil())
import multi_unmarked
say(after=gil())
import multi_unmarked
import user
"""
LINE = 4  # of the import: the case begins with a line of its own
TEXT = "ignore:The global interpreter lock (GIL) has been enabled to load module"
REFUSED = """
import importlib
def once():
    try:
        importlib.import_module("NAME")
    except Exception as error:
        return type(error).__name__, gil()
    return "ok", gil()
say(first=once(), second=once())
import multi_free
"""


def refused(name: str) -> str:
    return REFUSED.replace("NAME", name)


def twice(first: list[object], second: list[object]) -> dict[str, object]:
    return {"first": first, "second": second}


class Text(unittest.TestCase):
    def run_case(self, code: str, side: str, **more: object) -> Run:
        run = Case(code, None, **more).run(side)  # type: ignore[arg-type]
        self.assertEqual((run.status, run.gil), (0, True), run)
        return run

    def test_import__plain(self) -> None:
        run = self.run_case(USERS_CODE, PLAIN)
        self.assertEqual(run.facts, {"before": False, "after": True})
        # CPython points into its own import system.
        [warned] = run.warned
        self.assertEqual((warned.module, warned.category), ("multi_unmarked", "RuntimeWarning"))
        self.assertTrue(warned.file.startswith("<frozen importlib"), run)

    def test_import__interlock(self) -> None:
        run = self.run_case(USERS_CODE, INTERLOCK)
        self.assertEqual(run.facts, {"before": False, "after": True})
        case = str(run.folder / "case.py")
        self.assertEqual(run.warned, [Warned("multi_unmarked", "FallbackWarning", case, LINE)], run)
        file = cases.world.path_of("multi_unmarked")
        for line in (f"  file         {file}", "  package      acme-unmarked 1.2.3",
                     "  why          its slot array has no Py_mod_gil slot", f"  your line    {case}:{LINE} (<module>)",
                     "  fix          or take responsibility in a policy file (--policy): "
                     '{"rules": [{"match": {"module": "multi_unmarked"}, "threading": "free", '
                     '"reason": "why it is safe"}]}'):
            self.assertIn(line + "\n", run.errors)
        self.assertNotIn("imported by", run.errors)

    def test_chain__interlock(self) -> None:
        run = self.run_case("import user\n", INTERLOCK)
        middle = str(cases.world.modules / "middle.py")
        self.assertEqual(run.warned, [Warned("multi_unmarked", "FallbackWarning", middle, 3)], run)
        self.assertIn("  imported by  multi_unmarked <- middle <- user\n", run.errors)

    def test_import_in_function__interlock(self) -> None:
        run = self.run_case("import lazy\nlazy.work()\n", INTERLOCK)
        lazy = str(cases.world.modules / "lazy.py")
        self.assertEqual(run.warned, [Warned("multi_unmarked", "FallbackWarning", lazy, 5)], run)
        self.assertIn(f"  your line    {lazy}:5 (work)\n", run.errors)

    def test_installed_packages_are_passed_over__interlock(self) -> None:
        # Python's own library as well: the import is made by its importlib.import_module().
        run = cases.world.run(
            "from probe import *\nimport installed\n",
            path=["lib/site-packages"],
            files={"lib/site-packages/installed.py": "import importlib\nimportlib.import_module('multi_unmarked')\n"})
        self.assertEqual((run.status, run.gil), (0, True), run)
        self.assertRegex(run.errors, r"lib/site-packages/installed\.py:2|importlib/__init__\.py:\d+")
        self.assertIn("  imported by  multi_unmarked <- installed\n", run.errors)
        self.assertIn(f"  your line    {run.folder / 'case.py'}:2 (<module>)\n", run.errors)

    def test_judged_by_cpython(self) -> None:
        """Its own warning, and where it points to without interlock."""
        for side in (PLAIN, INTERLOCK):
            with self.subTest(side=side):
                [warned] = self.run_case("import by_path_used\n", side).warned
                self.assertEqual((warned.module, warned.category), ("by_path_used", "RuntimeWarning"))
                self.assertTrue(warned.file.startswith("<frozen importlib"), warned)

    def test_import_by_a_module_in_c__interlock(self) -> None:
        # multi_imports does it while it is executed: the innermost Python line is the one that imports multi_imports.
        run = self.run_case("\nimport multi_imports\n", INTERLOCK)
        self.assertEqual(run.warned, [Warned("multi_unmarked", "FallbackWarning", str(run.folder / "case.py"), 3)], run)
        self.assertIn("  imported by  multi_unmarked <- multi_imports\n", run.errors)

    def test_chain_of_a_package__interlock(self) -> None:
        run = self.run_case("import pack_free.unmarked\n", INTERLOCK)
        self.assertEqual(run.warned, [Warned("pack_free.unmarked", "FallbackWarning", str(run.folder / "case.py"), 2)])
        self.assertNotIn("  package ", run.errors)  # it belongs to no distribution

    def test_explicit_used__interlock(self) -> None:
        run = self.run_case("import multi_used\n", INTERLOCK)
        self.assertIn("  why          its Py_mod_gil slot says Py_MOD_GIL_USED\n", run.errors)

    def test_names_are_escaped__interlock(self) -> None:
        code = ('import importlib.util, importlib.machinery, sys\n'
                'name = "line\\nbreak.multi_unmarked"\n'
                'spec = importlib.util.spec_from_file_location(name, "@MODULES@/multi_unmarked@SUFFIX@")\n'
                'importlib.util.module_from_spec(spec)\n')
        run = self.run_case(code, INTERLOCK)
        self.assertNotIn("line\nbreak", run.errors)
        self.assertRegex(run.errors, r"to load module 'line\\nbreak\.multi_unmarked'")


ALL_ON = {"result": ["ok", "ok"]}
BOTH = 'say(result=[attempt("multi_unmarked"), attempt("single_unmarked")])'


@table({
    "all": Case(BOTH, Expect(True, ("multi_unmarked",), ALL_ON),
                Expect(True, ("multi_unmarked", "single_unmarked"), ALL_ON)),
    # By CPython's name for the category, of which interlock's is a subclass.
    "ignore_runtime_warning": Case(BOTH, Expect(True, (), ALL_ON), python_options=("-W", "ignore::RuntimeWarning")),
    # By CPython's text.
    "ignore_text": Case(BOTH, Expect(True, (), ALL_ON), python_options=("-W", TEXT)),
    "ignore_text_of_one": Case(BOTH, Expect(True, (), ALL_ON), Expect(True, ("single_unmarked",), ALL_ON),
                               python_options=("-W", TEXT + " 'multi_unmarked'")),
    "ignore_everything": Case(BOTH, Expect(True, (), ALL_ON), python_options=("-W", "ignore")),
    "ignore_category": Case(
        "import warnings, interlock\nwarnings.filterwarnings('ignore', category=interlock.FallbackWarning)\n" + BOTH,
        Expect(True, ("multi_unmarked",), ALL_ON), Expect(True, (), ALL_ON)),
    # By the module that imports: CPython's is importlib's own.
    "ignore_by_importer": Case("import user", Expect(True, ("multi_unmarked",)), Expect(True, ()),
                               python_options=("-W", "ignore:::middle")),
    # CPython is too late: the import fails, and the GIL is on for good, so that the second attempt succeeds.
    "error_multi": Case(refused("multi_unmarked"),
                        Expect(True, (), twice(["RuntimeWarning", True], ["ok", True])),
                        Expect(False, (), twice(["FallbackWarning", False], ["FallbackWarning", False])),
                        python_options=("-W", "error")),
    "error_single": Case(refused("single_unmarked"),
                         Expect(True, (), twice(["RuntimeWarning", True], ["ok", True])),
                         Expect(False, (), twice(["FallbackWarning", False], ["FallbackWarning", False])),
                         python_options=("-W", "error")),
    "error_used": Case(refused("multi_used"),
                       Expect(True, (), twice(["RuntimeWarning", True], ["ok", True])),
                       Expect(False, (), twice(["FallbackWarning", False], ["FallbackWarning", False])),
                       python_options=("-W", "error")),
    "error_category": Case(
        "import warnings, interlock\nwarnings.filterwarnings('error', category=interlock.FallbackWarning)\n"
        + refused("multi_unmarked"),
        Expect(True, ("multi_unmarked",), twice(["ok", True], ["ok", True])),
        Expect(False, (), twice(["FallbackWarning", False], ["FallbackWarning", False]))),
    "error_by_runtime_warning": Case(
        refused("multi_unmarked"), Expect(True, (), twice(["RuntimeWarning", True], ["ok", True])),
        Expect(False, (), twice(["FallbackWarning", False], ["FallbackWarning", False])),
        python_options=("-W", "error::RuntimeWarning")),
    # Afterwards the warning may be allowed, and then the module is imported and warned of.
    "error_then_default": Case(
        "import warnings\nwarnings.simplefilter('error')\nsay(first=attempt('single_unmarked'), gil_then=gil())\n"
        "warnings.simplefilter('default')\nsay(second=attempt('single_unmarked'))\n",
        Expect(True, (), {"first": "RuntimeWarning", "gil_then": True, "second": "ok"}),
        Expect(True, ("single_unmarked",), {"first": "FallbackWarning", "gil_then": False, "second": "ok"})),
    # What is refused by one importer does not bring down the other modules.
    "error_in_fallback_code": Case(
        "try:\n    import middle\nexcept RuntimeWarning:\n    import multi_free as middle\nsay(used=middle.__name__)\n",
        Expect(True, (), {"used": "multi_free"}), Expect(False, (), {"used": "multi_free"}),
        python_options=("-W", "error")),
    # A policy that turns it off before there is anything to warn of.
    "error_free_by_policy": Case(refused("multi_unmarked"),
                                 Expect(True, (), twice(["RuntimeWarning", True], ["ok", True])),
                                 Expect(False, (), twice(["ok", False], ["ok", False])),
                                 options=("--override", "multi_unmarked=free"), python_options=("-W", "error")),
})
class Filters(unittest.TestCase):
    pass
