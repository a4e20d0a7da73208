"""PYTHON_GIL and -X gil: they keep their meaning, and win.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import shutil
import subprocess
import unittest

import cases
from cases import Case, Expect, policy, table

CODE = """
import sys
say(flag=sys.flags.gil, before=gil())
say(result=attempt("multi_unmarked"), bool=type(gil()) is bool)
import multi_free
"""
PYTHON_SAYS = r"^Fatal Python error: config_read_gil: PYTHON_GIL / -X gil must be \"0\" or \"1\""


def seen(flag: int | None, before: bool, after: bool, *warned: str, result: str = "ok") -> Expect:
    return Expect(after, warned, {"flag": flag, "before": before, "result": result, "bool": True})


DEFAULT, OFF, ON = seen(None, False, True, "multi_unmarked"), seen(0, False, False), seen(1, True, True)
FATAL = Expect(None, status=1, errors=PYTHON_SAYS)
POLICY = policy({"match": {"module": "multi_unmarked"}, "threading": "global_lock"})
REFUSES = policy({"match": {"module": "multi_unmarked"}, "threading": "refuse"})


@table({
    "none": Case(CODE, DEFAULT),
    "environment_0": Case(CODE, OFF, env={"PYTHON_GIL": "0"}),
    "environment_1": Case(CODE, ON, env={"PYTHON_GIL": "1"}),
    "environment_empty": Case(CODE, DEFAULT, env={"PYTHON_GIL": ""}),
    "option_0": Case(CODE, OFF, python_options=("-Xgil=0",)),
    "option_1": Case(CODE, ON, python_options=("-Xgil=1",)),
    "option_0_over_environment_1": Case(CODE, OFF, env={"PYTHON_GIL": "1"}, python_options=("-X", "gil=0")),
    "option_1_over_environment_0": Case(CODE, ON, env={"PYTHON_GIL": "0"}, python_options=("-X", "gil=1")),
    "environment_wrong": Case(CODE, FATAL, env={"PYTHON_GIL": "yes"}),
    "environment_two_digits": Case(CODE, FATAL, env={"PYTHON_GIL": "00"}),
    "environment_wrong_option_right": Case(CODE, FATAL, env={"PYTHON_GIL": "2"}, python_options=("-Xgil=0",)),
    "option_wrong": Case(CODE, FATAL, python_options=("-Xgil=2",)),
    "option_bare": Case(CODE, FATAL, python_options=("-Xgil",)),
    # They win over a policy: what it says of the GIL has no effect.
    "environment_0_policy_global_lock": Case(CODE, OFF, env={"PYTHON_GIL": "0"}, options=("--policy", "policy.json"),
                                             files={"policy.json": POLICY}),
    "environment_1_override_free": Case(CODE, ON, env={"PYTHON_GIL": "1"}, options=("--override=multi_unmarked=free",)),
    # A refusal says nothing of the GIL.
    "environment_0_refuse": Case(CODE, OFF, seen(0, False, False, result="ImportError"), env={"PYTHON_GIL": "0"},
                                 options=("--policy", "policy.json"), files={"policy.json": REFUSES}),
    "environment_1_refuse": Case(CODE, ON, seen(1, True, True, result="ImportError"), env={"PYTHON_GIL": "1"},
                                 options=("--policy", "policy.json"), files={"policy.json": REFUSES}),
    # Nor is there anything to warn of.
    "environment_0_error": Case(CODE, OFF, env={"PYTHON_GIL": "0"}, python_options=("-W", "error")),
    "environment_1_error": Case(CODE, ON, env={"PYTHON_GIL": "1"}, python_options=("-W", "error")),
})
class Options(unittest.TestCase):
    pass


@table({
    # The switch stays hidden: sys.flags.gil is the option, and not what holds the GIL off.
    "flag_is_none": Case("import sys\nimport multi_free\nsay(flag=sys.flags.gil)", Expect(False, (), {"flag": None})),
    "is_gil_enabled": Case(
        "import interlock\nsay(before=interlock.is_gil_enabled())\nimport multi_unmarked\n"
        "say(after=interlock.is_gil_enabled())", Expect(True, ("multi_unmarked",), {"before": False, "after": True})),
    "installed": Case("import interlock\nsay(installed=interlock.installed())",
                      Expect(False, (), {"installed": False}), Expect(False, (), {"installed": True})),
    # From inside, without the command.
    "install": Case("import interlock\nsay(made=interlock.install(overrides=['multi_unmarked=free']))\n"
                    "import multi_unmarked", Expect(False, (), {"made": True})),
    "install_with_a_wrong_override": Case(
        "import interlock\ntry:\n    interlock.install(overrides=['multi_unmarked'])\n"
        "except interlock.PolicyError as error:\n    say(error=isinstance(error, ValueError))\n"
        "say(other=hasattr(interlock, 'PolicyErrors'), installed=interlock.installed())",
        Expect(False, (), {"error": True, "other": False, "installed": False}),
        Expect(False, (), {"error": True, "other": False, "installed": True})),
    # Called again it changes what counts.
    "install_twice": Case("import interlock\ninterlock.install(overrides=['multi_unmarked=free'])\n"
                          "import multi_unmarked\nsay(then=gil())\ninterlock.install()\nimport single_unmarked",
                          Expect(True, ("single_unmarked",), {"then": False})),
    "install_with_gil_on": Case("import multi_unmarked, interlock\ninterlock.install()\nimport single_unmarked\n"
                                "say(notes=interlock.report()['notes'])", None,
                                Expect(True, ("multi_unmarked", "single_unmarked"), {"notes": []})),
})
class State(unittest.TestCase):
    pass


class WithGil(unittest.TestCase):
    """An interpreter that is not free-threaded: the one of the system. Its imports are what they were."""

    def test_install_and_main(self) -> None:
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
        if python is None:
            self.skipTest("there is no other Python")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(cases.world.package), "PYTHONDONTWRITEBYTECODE": "1"}
        code = "import interlock, _json, sys; print(interlock.install(), interlock.is_gil_enabled(), sys.argv)"
        said = "interlock: this Python is not free-threaded, so markers have no effect here\n"
        for options, lines in (([], said), (["-m", "interlock", "--override", "_json=refuse"], 2 * said)):
            with self.subTest(options=options):
                done = subprocess.run([python, *options, "-c", code, "x"], capture_output=True, text=True,
                                      env=environment, cwd=cases.world.scratch)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (0, "False True ['-c', 'x']\n", lines))
