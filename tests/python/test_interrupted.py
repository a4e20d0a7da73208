"""Code that runs in the middle of an import, or instead of its end: handlers of signals and warnings, trace functions,
destructors, forks, other threads at exit. The GIL, the warnings and the switch's state are what they are without it.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

from cases import Case, Expect, INTERLOCK, PLAIN, table

# What the switch knows at the end of all imports. Plain CPython has none.
NOBODY = """
def nobody():
    import sys
    if "interlock._imports" not in sys.modules:
        return None
    from interlock import _host
    return [_host.get_enable_gil(), [number for what, number in _host.switch_state().items() if "threads" in what]]
"""
CLEAN = [0, [0, 0, 0]]

# Timers interrupt imports at any place; how often is counted, and not how long.
SIGNALS = NOBODY + """
import importlib, signal, sys
import multi_free, multi_free_own_gil
handled, armed = 0, False
def handler(*_):
    global handled, armed
    handled += 1
    if armed:
        armed = False
        ACTION
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while handled < 300:
    try:
        armed = True
        sys.modules.pop("multi_free", None)
        importlib.import_module("multi_free")
        armed = False
    except KeyboardInterrupt:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
say(state=nobody())
import by_path
import by_path_used
"""
IMPORTS = 'sys.modules.pop("multi_free_own_gil", None); importlib.import_module("multi_free_own_gil")'


def signals(action: str) -> Case:
    return Case(SIGNALS.replace("ACTION", action), Expect(True, ("by_path_used",), {"state": None}),
                Expect(True, ("by_path_used",), {"state": CLEAN}))


# B is in an import that leaves the GIL alone, and imports one that CPython judges. Meanwhile A joins the window, and stays.
TOO_LONG = """
import hooks, threading
a_is_in, a_may_end = threading.Event(), threading.Event()
def in_a():
    a_is_in.set()
    a_may_end.wait()
def in_inner():
    a.start()
    a_is_in.wait()
hooks.handlers["environment_hooks", "init"] = in_a
hooks.handlers["environment_hooks_2", "init"] = in_inner
hooks.handlers["single_hooks", "init"] = lambda: attempt("environment_hooks_2")
a = threading.Thread(target=attempt, args=("environment_hooks",))
if HOST:
    from interlock import _host, _imports
    _host.set_patience(0.2, _imports._give_up_waiting)
import single_hooks
say(during=gil())
a_may_end.set()
a.join()
say(afterwards=gil())
import by_path, multi_free
"""

INTERRUPTED_WAIT = NOBODY + """
import hooks, signal, threading
from interlock import _host
is_in, may_end = threading.Event(), threading.Event()
def in_first():
    is_in.set()
    may_end.wait()
hooks.handlers["single_hooks", "init"] = in_first
first = threading.Thread(target=attempt, args=("single_hooks",))
first.start()
is_in.wait()
main = threading.get_ident()
def interrupt():
    while not _host.switch_state()["threads_parked"]:
        pass
    signal.pthread_kill(main, signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored in what runs the tests
interrupter = threading.Thread(target=interrupt)
interrupter.start()
say(result=attempt("NAME"), then=gil())
interrupter.join()
may_end.set()
first.join()
say(state=nobody())
import by_path, by_path_used
"""


def interrupted_wait(name: str, warned: tuple[str, ...]) -> Case:
    return Case(INTERRUPTED_WAIT.replace("NAME", name), None,
                Expect(True, (*warned, "by_path_used"), {"result": "KeyboardInterrupt", "then": False, "state": CLEAN}))


HANDLER = """
import warnings
def show(message, category, filename, lineno, file=None, line=None):
    import NAME
warnings.showwarning = show
say(result=attempt("multi_unmarked"))
"""
ODD_CODE = """
code = compile("import multi_unmarked", "PLACE", "exec")
exec(code CHANGE, NAMES)
"""


def odd(place: str = "odd.py", change: str = "", names: str = "{}") -> Case:
    return Case(ODD_CODE.replace("PLACE", place).replace("CHANGE", change).replace("NAMES", names),
                Expect(True, ("multi_unmarked",)))


@table({
    "signal_handler_imports": signals(IMPORTS),
    "signal_handler_raises": signals("raise KeyboardInterrupt"),
    "destructor_imports": Case(NOBODY + """
import gc, importlib, sys
import multi_free, multi_free_own_gil
freed = 0
class Freed:
    def __init__(self):
        self.itself = self
    def __del__(self):
        global freed
        freed += 1
        sys.modules.pop("multi_free_own_gil", None)
        importlib.import_module("multi_free_own_gil")
gc.set_threshold(1)
for _ in range(200):
    Freed()
    sys.modules.pop("multi_free", None)
    importlib.import_module("multi_free")
gc.set_threshold(0)
gc.collect()
say(freed=freed, state=nobody())
""", Expect(False, (), {"freed": 200, "state": None}), Expect(False, (), {"freed": 200, "state": CLEAN})),
    "trace_function_imports": Case(NOBODY + """
import importlib, sys
import multi_free, multi_free_own_gil
calls = 0
def trace(frame, event, argument):
    global calls
    sys.settrace(None)
    calls += 1
    sys.modules.pop("multi_free_own_gil", None)
    importlib.import_module("multi_free_own_gil")
    sys.settrace(trace)
    return trace
sys.settrace(trace)
for _ in range(5):
    sys.modules.pop("multi_free", None)
    importlib.import_module("multi_free")
sys.settrace(None)
say(traced=calls > 50, state=nobody())
""", Expect(False, (), {"traced": True, "state": None}), Expect(False, (), {"traced": True, "state": CLEAN})),
    "recursion_limit": Case(NOBODY + """
import importlib, sys
import multi_free, by_path
def deep(depth, name):
    if depth:
        return deep(depth - 1, name)
    sys.modules.pop(name, None)
    try:
        importlib.import_module(name)
    except RecursionError:
        return 1
    return 0
sys.setrecursionlimit(200)
failed = sum(deep(depth, name) for depth in range(60, 190) for name in ("multi_free", "by_path"))
say(failed=0 < failed < 260, state=nobody())
sys.setrecursionlimit(1000)
import by_path_used
""", Expect(True, ("by_path_used",), {"failed": True, "state": None}),
        Expect(True, ("by_path_used",), {"failed": True, "state": CLEAN})),
    "wait_interrupted": interrupted_wait("by_path", ()),
    "wait_interrupted_unmarked": interrupted_wait("multi_unmarked", ("multi_unmarked",)),
    # Whoever installs in the middle of an import finds the GIL on, for that moment.
    "install_in_an_import": Case(
        "import hooks, interlock\nhooks.handlers['single_hooks', 'init'] = lambda: interlock.install("
        "overrides=['multi_unmarked=free'])\nimport single_hooks\nsay(then=gil(), notes=interlock.report()['notes'])\n"
        "import multi_unmarked\n", Expect(False, (), {"then": False, "notes": []})),
    "odd_modules_before_install": Case(
        "import pathlib, sys, types\none, other = types.ModuleType('one'), types.ModuleType('other')\n"
        "one.__file__ = pathlib.Path('x')\nsys.modules['one'] = one\n"
        "sys.modules['raises'] = type('Raises', (), {'__getattr__': lambda self, name: 1 / 0})()\n"
        "sys.modules['nothing'] = None\nsys.modules[5] = other\n"
        "import interlock\nsay(done=interlock.install(overrides=['multi_unmarked=free']))\nimport multi_unmarked\n",
        Expect(False, (), {"done": True})),
    "handler_of_the_warning_imports_it": Case(HANDLER.replace("NAME", "multi_unmarked"),
                                              Expect(True, (), {"result": "ok"})),
    "handler_of_the_warning_imports_another": Case(HANDLER.replace("NAME", "single_unmarked"),
                                                   Expect(True, (), {"result": "ok"})),
    "importer_without_lines": odd(change=".replace(co_linetable=b'')"),
    "importer_without_a_name": odd(names="{'__name__': 5}"),
    "importer_that_is_no_file": odd(place="/dev/zero"),
    # It is lowered while the GIL comes on.
    "switch_interval": Case("import sys\nsys.setswitchinterval(0.003)\nimport multi_unmarked\n"
                            "say(interval=sys.getswitchinterval())\n",
                            Expect(True, ("multi_unmarked",), {"interval": 0.003})),
    "switch_interval_set_meanwhile": Case(
        "import hooks, sys\nhooks.handlers['single_hooks_unmarked', 'init'] = lambda: sys.setswitchinterval(0.001)\n"
        "import single_hooks_unmarked\nsay(interval=sys.getswitchinterval())\n",
        Expect(True, ("single_hooks_unmarked",), {"interval": 0.001})),
    # The stub is warned of by nobody, and no filter stays.
    "filters": Case("import warnings\nbefore = list(warnings.filters)\nimport multi_unmarked\n"
                    "say(same=warnings.filters == before)\n", Expect(True, ("multi_unmarked",), {"same": True})),
    # The process in which modules are judged is nobody's child.
    "no_child_is_left": Case("import multi_free, os\ntry:\n    os.wait()\nexcept ChildProcessError:\n"
                             "    say(children=0)\n", Expect(False, (), {"children": 0}),
                             env={"INTERLOCK_VERDICT_CACHE": "0"}),
    # Without a process nothing is known, and CPython decides.
    "no_process_to_judge_in": Case(
        "import resource, sys\nsys.path_importer_cache.clear()\nimport multi_free_own_gil\n"
        "limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4, limits[1]))\nresult = attempt('multi_free')\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, limits)\nsay(result=result)\n",
        Expect(False, (), {"result": "ok"}), env={"INTERLOCK_VERDICT_CACHE": "0"}),
})
class Interrupted(unittest.TestCase):
    pass


# A thread that is in an import when the process ends.
DAEMON = """
import importlib.util, _imp, threading
spec = importlib.util.find_spec("multi_free")
begun = threading.Event()
def forever():
    while True:
        _imp.create_dynamic(spec)
        begun.set()
threading.Thread(target=forever, daemon=True).start()
begun.wait()
"""
FORK = NOBODY + """
import importlib.util, _imp, os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
spec = importlib.util.find_spec("multi_free")
stop = False
def imports():
    while not stop:
        _imp.create_dynamic(spec)
threads = [threading.Thread(target=imports) for _ in range(2)]
for thread in threads:
    thread.start()
statuses = set()
for _ in range(40):
    child = os.fork()
    if child == 0:
        import multi_free_own_gil
        os._exit(0 if nobody() in (None, [0, [0, 0, 0]]) else 1)
    statuses.add(os.waitpid(child, 0)[1])
stop = True
for thread in threads:
    thread.join()
say(statuses=sorted(statuses))
"""


class OtherThreads(unittest.TestCase):
    def test_daemon_at_exit__interlock(self) -> None:
        for _ in range(20):
            run = Case(DAEMON, None).run(INTERLOCK)
            self.assertEqual((run.status, run.gil), (0, False), run)

    def test_fork_meanwhile__interlock(self) -> None:
        run = Case(FORK, None).run(INTERLOCK)
        self.assertEqual((run.status, run.facts), (0, {"statuses": [0]}), run)

    def test_waits_too_long__plain(self) -> None:
        run = Case(TOO_LONG.replace("HOST", "False"), None).run(PLAIN)
        self.assertEqual((run.status, run.gil, run.facts), (0, False, {"during": True, "afterwards": False}), run)

    def test_waits_too_long__interlock(self) -> None:
        """The count of CPython would be wrong, so the GIL comes on, and that is said."""
        run = Case(TOO_LONG.replace("HOST", "True"), None, options=("--report", "report.json")).run(INTERLOCK)
        self.assertEqual((run.status, run.gil, run.facts), (0, True, {"during": True, "afterwards": True}), run)
        self.assertIn("so the GIL was turned on", (run.folder / "report.json").read_text())
