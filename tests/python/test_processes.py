"""Processes and interpreters that a program starts, and modules that are built into one.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import unittest

import cases
from cases import Case, Expect, INTERLOCK, PLAIN, policy, table

# The child tells what it saw through its exit status: 10 for the GIL, 1 for an import that failed.
FORK = """
import os
def child(*names):
    process = os.fork()
    if process == 0:
        failed = [name for name in names if attempt(name) != "ok"]
        os._exit(10 * gil() + len(failed))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
"""


MEANWHILE = """
import hooks, threading
is_in, may_end = threading.Event(), threading.Event()
def handler():
    is_in.set()
    may_end.wait()
hooks.handlers["NAME", "init"] = handler
thread = threading.Thread(target=attempt, args=("NAME",))
thread.start()
is_in.wait()
say(during=gil(), child=child("multi_free", "by_path", "single_free"))
may_end.set()
thread.join()
import by_path, multi_free
"""


@table({
    "free": Case(FORK + 'say(child=child("multi_free", "by_path"))', Expect(False, (), {"child": 0})),
    "unmarked": Case(FORK + 'say(child=child("multi_unmarked"))\nimport multi_free',
                     Expect(False, ("multi_unmarked",), {"child": 10})),
    "free_by_override": Case(FORK + 'say(child=child("multi_unmarked"))',
                             Expect(False, ("multi_unmarked",), {"child": 10}), Expect(False, (), {"child": 0}),
                             options=("--override", "multi_unmarked=free")),
    "refused": Case(FORK + 'say(child=child("multi_unmarked"))', Expect(False, ("multi_unmarked",), {"child": 10}),
                    Expect(False, (), {"child": 1}), options=("--override", "multi_unmarked=refuse")),
    # The parent is not disturbed by what its child did, and another child neither.
    "twice": Case(FORK + 'say(first=child("by_path_used"), second=child("by_path", "multi_free"))\nimport by_path_used',
                  Expect(True, ("by_path_used", "by_path_used"), {"first": 10, "second": 0})),
    "after_fallback": Case(FORK + 'import multi_unmarked\nsay(child=child("single_unmarked", "by_path_used"))',
                           Expect(True, ("multi_unmarked",), {"child": 10}),
                           Expect(True, ("multi_unmarked", "single_unmarked"), {"child": 10})),
    "grandchild": Case(
        FORK + "def inner():\n    os._exit(child('multi_unmarked'))\n"
        "process = os.fork()\nif process == 0:\n    inner()\n"
        "say(child=os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))",
        Expect(False, ("multi_unmarked",), {"child": 10})),
    # The parent is in the init function of another module, in another thread: in the child that import is gone.
    "while_importing_free": Case(
        FORK + MEANWHILE.replace("NAME", "single_hooks"), Expect(False, (), {"during": True, "child": 10}),
        Expect(False, (), {"during": False, "child": 0}), python_options=("-W", "ignore::DeprecationWarning")),
    # With one that CPython judges the GIL is on for the moment. Its child cannot know that it is only that.
    "while_importing_judged": Case(
        FORK + MEANWHILE.replace("NAME", "environment_hooks"), Expect(False, (), {"during": True, "child": 10}),
        python_options=("-W", "ignore::DeprecationWarning")),
})
class Fork(unittest.TestCase):
    pass


CHILD = "import sys\ndef work(name):\n    __import__(name)\n    return sys._is_gil_enabled()\n"
POOL = """
import multiprocessing, worker
if __name__ == "__main__":
    with multiprocessing.get_context("METHOD").Pool(1) as pool:
        say(child=pool.apply(worker.work, ("multi_unmarked",)))
"""


class Start(unittest.TestCase):
    """Interpreters that a program starts inherit its policy: the package's .pth file sees to it, where it is installed,
    so a package that is only on PYTHONPATH gets a folder of that kind here."""

    def setUp(self) -> None:
        self.scratch = tempfile.TemporaryDirectory(dir=cases.world.scratch)
        self.addCleanup(self.scratch.cleanup)
        self.base = self.scratch.name
        if where := os.environ.get("INTERLOCK_PYTHONPATH"):
            major, minor = cases.world.interpreter.version
            folder = pathlib.Path(self.base, "lib", f"python{major}.{minor}t", "site-packages")
            folder.mkdir(parents=True)
            for file in pathlib.Path(where).glob("*.pth"):
                shutil.copy(file, folder)

    def child(self, code: str, side: str, expect: Expect, *options: str, **files: str) -> None:
        env = {"PYTHONUSERBASE": self.base}
        named = {name.replace("_", "."): text for name, text in files.items()}
        run = Case(code, None, options=options, env=env, files={"worker.py": CHILD, **named}).run(side)
        cases.check(self, run, expect)

    def test_spawn__plain(self) -> None:
        self.child(POOL.replace("METHOD", "spawn"), PLAIN, Expect(False, ("multi_unmarked",), {"child": True}))

    def test_spawn_default__interlock(self) -> None:
        self.child(POOL.replace("METHOD", "spawn"), INTERLOCK, Expect(False, ("multi_unmarked",), {"child": True}))

    def test_spawn_override__interlock(self) -> None:
        self.child(POOL.replace("METHOD", "spawn"), INTERLOCK, Expect(False, (), {"child": False}),
                   "--override", "multi_unmarked=free")

    def test_spawn_policy__interlock(self) -> None:
        text = policy({"match": {"module": "multi_unmarked"}, "threading": "free"})
        self.child(POOL.replace("METHOD", "spawn"), INTERLOCK, Expect(False, (), {"child": False}),
                   "--policy", "policy.json", policy_json=text)

    def test_spawn_installed_inside__interlock(self) -> None:
        code = POOL.replace("METHOD", "spawn").replace(
            "    with", "    import interlock\n    interlock.install(overrides=['multi_unmarked=free'])\n    with")
        self.child(code, PLAIN, Expect(False, (), {"child": False}))

    def test_forkserver_override__interlock(self) -> None:
        self.child(POOL.replace("METHOD", "forkserver"), INTERLOCK, Expect(False, (), {"child": False}),
                   "--override", "multi_unmarked=free")

    def test_subprocess__interlock(self) -> None:
        code = ("import subprocess, sys\n"
                "say(child=subprocess.run([sys.executable, '-c', 'import multi_unmarked, sys; '\n"
                "    'print(sys._is_gil_enabled())'], capture_output=True, text=True).stdout)\n")
        self.child(code, INTERLOCK, Expect(False, (), {"child": "False\n"}), "--override", "multi_unmarked=free")

    def test_subprocess_of_another_policy__interlock(self) -> None:
        """Who asks for a policy gets that one alone."""
        code = ("import subprocess, sys\n"
                "say(child=subprocess.run([sys.executable, '-W', 'ignore', '-m', 'interlock', '--override', 'a=free',\n"
                "    '-c', 'import multi_unmarked, sys; print(sys._is_gil_enabled())'], capture_output=True,\n"
                "    text=True).stdout)\n")
        self.child(code, INTERLOCK, Expect(False, (), {"child": "True\n"}), "--override", "multi_unmarked=free")


INTERPRETER = """
import _interpreters
def inside(code):
    interpreter = _interpreters.create("isolated")
    error = _interpreters.exec(interpreter, "import sys\\nsys.path[:] = " + repr(__import__("sys").path) + "\\n" + code)
    _interpreters.destroy(interpreter)
    return None if error is None else error.type.__name__
"""


# An isolated interpreter has a GIL of its own. Interlock leaves it to CPython.
@table({
    "free": Case(INTERPRETER + 'say(error=inside("import multi_free_own_gil\\nassert not sys._is_gil_enabled()"))',
                 Expect(False, (), {"error": None})),
    "unmarked": Case(INTERPRETER + 'say(error=inside("import multi_unmarked_own_gil\\nassert sys._is_gil_enabled()"))\n'
                     "import multi_free", Expect(False, ("multi_unmarked_own_gil",), {"error": None})),
    "single_phase": Case(INTERPRETER + 'say(error=inside("import single_free"))',
                         Expect(False, (), {"error": "ImportError"})),
    "rules_have_no_say": Case(
        INTERPRETER + 'say(error=inside("import multi_unmarked_own_gil\\nassert sys._is_gil_enabled()"))\n',
        Expect(False, ("multi_unmarked_own_gil",), {"error": None}),
        options=("--override", "multi_unmarked_own_gil=free")),
    "main_afterwards": Case(
        INTERPRETER + 'say(error=inside("import multi_unmarked_own_gil"), then=gil())\nimport by_path\nsay(later=gil())\n'
        "import by_path_used\n", Expect(True, ("multi_unmarked_own_gil", "by_path_used"),
                                      {"error": None, "then": False, "later": False})),
})
class Interpreters(unittest.TestCase):
    def test_report__interlock(self) -> None:
        run = Case(INTERPRETER + 'inside("import multi_unmarked_own_gil")\nimport interlock\n'
                   "report = interlock.report()\nsay(notes=report['notes'], who=report['gil_came_on'], "
                   "there='multi_unmarked_own_gil' in [one['module'] for one in report['modules']])\n",
                   None).run(INTERLOCK)
        cases.check(self, run, Expect(False, ("multi_unmarked_own_gil",), {
            "notes": ["imports in subinterpreters are left to CPython, and are not in this report"], "who": None,
            "there": False}))


class BuiltIn(unittest.TestCase):
    """Modules in the init table of a program that embeds Python: there is no file to be read, so CPython judges what no
    rule is about."""

    def both(self, code: str, plain: Expect, interlock: Expect | None = None, *options: str) -> None:
        if cases.world.embeds is None:
            self.skipTest("this interpreter has no shared library to link against")
        for side in (PLAIN, INTERLOCK):
            with self.subTest(side=side):
                run = cases.world.run("from probe import *\n" + code, side, executable=str(cases.world.embeds),
                                      env={"PYTHONHOME": cases.world.interpreter.prefix}, options=options,
                                      path=[str(cases.world.package)])
                cases.check(self, run, interlock or plain if side == INTERLOCK else plain)

    def test_free(self) -> None:
        self.both('say(result=attempt("built_in_free"))', Expect(False, (), {"result": "ok"}))

    def test_unmarked(self) -> None:
        self.both('say(result=attempt("built_in"))', Expect(True, ("built_in",), {"result": "ok"}))

    def test_single_phase(self) -> None:
        self.both('say(result=attempt("built_in_single"))', Expect(True, ("built_in_single",), {"result": "ok"}))

    def test_install_inside(self) -> None:
        code = ("import interlock, sys\nassert sys.argv\ninterlock.install(overrides=['multi_unmarked=free'])\n"
                "say(result=[attempt('multi_unmarked'), attempt('built_in_free')], then=gil())\nimport built_in\n")
        self.both(code, Expect(True, ("built_in",), {"result": ["ok", "ok"], "then": False}))

    def test_report(self) -> None:
        code = ("import interlock\ninterlock.install()\nimport built_in\nreport = interlock.report()\n"
                "say(on=report['gil_enabled'], who=(report['gil_came_on'] or {}).get('module'))\n")
        self.both(code, Expect(True, ("built_in",), {"on": True, "who": "built_in"}))

    def with_policy(self, action: str, plain: Expect, interlock: Expect) -> None:
        self.both("say(result=[attempt('built_in'), attempt('built_in_free')])\n", plain, interlock,
                  "--override", f"built_in={action}")

    def test_free_by_policy(self) -> None:
        self.with_policy("free", Expect(True, ("built_in",), {"result": ["ok", "ok"]}),
                         Expect(False, (), {"result": ["ok", "ok"]}))

    def test_refused_by_policy(self) -> None:
        self.with_policy("refuse", Expect(True, ("built_in",), {"result": ["ok", "ok"]}),
                         Expect(False, (), {"result": ["ImportError", "ok"]}))

    def test_global_lock_by_policy(self) -> None:
        self.both("say(result=attempt('built_in_free'))\n", Expect(False, (), {"result": "ok"}),
                  Expect(True, ("built_in_free",), {"result": "ok"}), "--override", "built_in_free=global_lock")
