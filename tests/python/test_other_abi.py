"""Modules for interpreters with a GIL that a free-threaded one finds: it crashes with them or fails, so they are refused.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import platform
import shutil
import tempfile
import unittest

import cases
from cases import Case, Expect, Run, policy, table

SINGLE = 'say(result=attempt("for_gil_single"))'
MULTI = 'say(result=attempt("for_gil_multi"))'
CRASHES = Expect(None, status=-11)
REFUSED = Expect(False, (), {"result": "ImportError"})


def rule(threading: str) -> dict[str, object]:
    return {"match": {"module": "for_gil_*"}, "threading": threading}


@unittest.skipUnless(platform.architecture()[0] == "64bit", "with words of 32 bits the fields lie otherwise")
@table({
    "single_phase": Case(SINGLE, CRASHES, REFUSED),
    "multi_phase": Case(MULTI, Expect(False, (), {"result": "SystemError"}), REFUSED),
    # No rule can make the layout fit.
    "override": Case(SINGLE, None, REFUSED, options=("--override", "for_gil_single=free")),
    "override_global_lock": Case(SINGLE, None, REFUSED, options=("--override", "for_gil_single=global_lock")),
    "policy": Case(SINGLE, None, REFUSED, options=("--policy", "policy.json"),
                   files={"policy.json": policy(rule("free"))}),
    "policy_for_multi_phase": Case(MULTI, None, REFUSED, options=("--policy", "policy.json"),
                                   files={"policy.json": policy(rule("free"))}),
    "errors": Case(SINGLE, None, REFUSED, python_options=("-W", "error")),
    # What the program asked for before CPython is not for interlock to change; but a crash helps nobody.
    "without_fallback": Case(SINGLE, CRASHES, REFUSED, env={"PYTHON_GIL": "0"}),
})
class Refused(unittest.TestCase):
    pass


class Said(unittest.TestCase):
    def test_why(self) -> None:
        run: Run = cases.world.run(
            "from probe import *\nimport interlock\n"
            "try:\n    import for_gil_single\nexcept ImportError as error:\n    text = str(error)\n"
            "[one] = [one for one in interlock.modules() if one['module'] == 'for_gil_single']\n"
            "say(text=text, verdict=one['verdict'], action=one['action'], by=one['decided_by'])\n")
        why = ("it is compiled for interpreters with a GIL: 3.{minor}t loads it, and crashes, as its objects have "
               "another layout").format(minor=cases.world.interpreter.version[1])
        file = cases.world.modules / "for_gil_single.so"
        self.assertEqual((run.status, run.gil), (0, False), run)
        self.assertEqual(run.facts, {
            "text": f"module 'for_gil_single' is refused: {why}; install a build for this one ({file})",
            "verdict": "not_applicable", "action": "refuse", "by": "abi"}, run)

    def test_the_name_of_a_file_that_is_given_by_its_path(self) -> None:
        """CPython loads it, whatever its name says: the layout counts."""
        folder = tempfile.mkdtemp(dir=cases.world.scratch)
        tag = ".cpython-313-x86_64-linux-gnu.so"
        shutil.copy2(cases.world.modules / "for_gil_single.so", f"{folder}/for_gil_single{tag}")
        shutil.copy2(cases.world.path_of("single_unmarked"), f"{folder}/single_unmarked{tag}")
        code = ("from probe import *\nimport importlib.util\n"
                "def load(name):\n"
                f"    spec = importlib.util.spec_from_file_location(name, {folder!r} + '/' + name + {tag!r})\n"
                "    try:\n        importlib.util.module_from_spec(spec)\n"
                "    except ImportError:\n        return 'ImportError'\n"
                "    return 'ok'\n"
                "say(gil=load('for_gil_single'), no_gil=load('single_unmarked'))\n")
        run = cases.world.run(code)
        self.assertEqual((run.status, run.gil, run.facts), (0, True, {"gil": "ImportError", "no_gil": "ok"}), run)
