"""The switch under concurrency, and what only CPython can judge. Threads meet inside init functions, so that what is
tested happens in one order and no other.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import unittest

import cases
from cases import Case, Expect, INTERLOCK, table

UNDETERMINED = """
from interlock import _host
say(setting=_host.get_enable_gil())
import multi_free, NAME, single_free
say(after=_host.get_enable_gil())
"""


def undetermined(name: str, on: bool, **more: object) -> Case:
    """While the GIL is off the setting is held again afterwards."""
    return Case(UNDETERMINED.replace("NAME", name),
                Expect(on, (name,) if on else (), {"setting": -1, "after": -1}),
                Expect(on, (name,) if on else (), {"setting": 0, "after": -1 if on else 0}), **more)  # type: ignore


@table({
    "environment": undetermined("environment", False),
    "environment_used": undetermined("environment", True, env={"ACME_USE_GIL": "1"}),
    "by_path": undetermined("by_path", False),
    "by_path_used": undetermined("by_path_used", True),
    "loops": undetermined("loops", False),
    "loops_used": undetermined("loops_used", True),
    # Within the window of another one: here an init function asks for the state.
    "during": Case("import hooks\nhooks.handlers['environment_hooks', 'init'] = lambda: say(during=gil())\n"
                   "import environment_hooks\n", Expect(False, (), {"during": True})),
    "during_free": Case("import hooks\nhooks.handlers['single_hooks', 'init'] = lambda: say(during=gil())\n"
                        "import single_hooks\n", Expect(False, (), {"during": True}),
                        Expect(False, (), {"during": False})),
    "nested": Case("import hooks\nhooks.handlers['environment_hooks', 'init'] = lambda: say(inner=attempt('by_path'))\n"
                   "import environment_hooks\n", Expect(False, (), {"inner": "ok"})),
    "nested_used": Case(
        "import hooks\nhooks.handlers['environment_hooks', 'init'] = lambda: say(inner=attempt('by_path_used'))\n"
        "import environment_hooks\n", Expect(True, ("by_path_used",), {"inner": "ok"})),
    "nested_unmarked": Case(
        "import hooks\nhooks.handlers['environment_hooks', 'init'] = lambda: say(inner=attempt('single_unmarked'))\n"
        "import environment_hooks\n", Expect(True, ("single_unmarked",), {"inner": "ok"})),
    "undetermined_in_free": Case(
        "import hooks\nhooks.handlers['single_hooks', 'init'] = lambda: say(inner=attempt('by_path'), then=gil())\n"
        "import single_hooks\n", Expect(False, (), {"inner": "ok", "then": True}),
        Expect(False, (), {"inner": "ok", "then": False})),
    "free_in_undetermined_in_free": Case(
        "import hooks\nhooks.handlers['single_hooks', 'init'] = lambda: say(inner=attempt('environment_hooks'))\n"
        "hooks.handlers['environment_hooks', 'init'] = lambda: say(innermost=attempt('single_free'))\n"
        "import single_hooks, multi_free, by_path\n", Expect(False, (), {"inner": "ok", "innermost": "ok"})),
})
class Undetermined(unittest.TestCase):
    pass


# A free module is in its init function, and stays there until it is let go. It began while the switch was held.
# Meanwhile another thread imports a module that CPython has to judge. If that were let into its init function now, the
# first would end, and be counted down without ever having been counted up, while the second is still in there.
INTERLEAVED = """
import hooks, threading
from interlock import _host
first_is_in, first_may_end, first_ended, second_is_in = (threading.Event() for _ in range(4))

def in_first():
    first_is_in.set()
    first_may_end.wait()

def in_second():
    second_is_in.set()
    first_ended.wait()

def import_first():
    attempt("single_hooks")
    first_ended.set()

hooks.handlers["single_hooks", "init"] = in_first
hooks.handlers["environment_hooks", "init"] = in_second
first = threading.Thread(target=import_first)
second = threading.Thread(target=attempt, args=("environment_hooks",))
_host.set_patience(1e6, print)
first.start()
first_is_in.wait()
second.start()
while True:  # until the second waits, or has been let on
    state = _host.switch_state()
    if state["threads_parked"] or second_is_in.is_set():
        break
say(waits=not second_is_in.is_set(), in_window=state["threads_in_window"])
first_may_end.set()
first.join()
second.join()
say(gil_then=gil(), setting=_host.get_enable_gil())
import by_path, multi_free
say(gil_later=gil(), setting_later=_host.get_enable_gil())
import by_path_used
"""
SOUND = Expect(True, ("by_path_used",), {"waits": True, "in_window": 0, "gil_then": False, "setting": 0,
                                       "gil_later": False, "setting_later": 0})

# A module that CPython has to judge is in its init function: the GIL is on for as long as that takes. Meanwhile
# another thread imports one that needs it for good.
MEANWHILE = """
import hooks, threading
is_in, may_end = threading.Event(), threading.Event()

def handler():
    is_in.set()
    may_end.wait()

hooks.handlers["environment_hooks", "init"] = handler
judged = threading.Thread(target=attempt, args=("environment_hooks",))
judged.start()
is_in.wait()
say(during=gil())
say(result=attempt("NAME"), then=gil())
may_end.set()
judged.join()
"""


def meanwhile(name: str, on: bool) -> Case:
    return Case(MEANWHILE.replace("NAME", name),
                Expect(on, (name,) if on else (), {"during": True, "result": "ok", "then": True}))


# Two imports wait for each other: one that began while held waits, in its init function, for one that CPython has to
# judge, which waits for the first to end before it begins.
EACH_OTHER = """
import hooks, threading
both = threading.Barrier(2)
free_is_in = threading.Event()
ended = {name: threading.Event() for name in ("single_hooks", "environment_hooks")}

def handler(name, other):
    def run():
        if name == "single_hooks":
            free_is_in.set()
        both.wait()
        if name == "LAST":
            ended[other].wait()
    return run

def ends(name):
    if name == "environment_hooks":
        free_is_in.wait()
    result = attempt(name)
    ended[name].set()
    return result

hooks.handlers["single_hooks", "init"] = handler("single_hooks", "environment_hooks")
hooks.handlers["environment_hooks", "init"] = handler("environment_hooks", "single_hooks")
say(result=in_threads(lambda: ends("single_hooks"), lambda: ends("environment_hooks")))
say(then=gil())
import by_path, multi_free
say(later=gil())
import by_path_used
"""


def each_other(last: str) -> Case:
    """No window can be opened, so the GIL comes on for the module that CPython would have had to judge."""
    return Case(EACH_OTHER.replace("LAST", last),
                Expect(True, ("by_path_used",), {"result": ["ok", "ok"], "then": False, "later": False}),
                Expect(True, ("environment_hooks",), {"result": ["ok", "ok"], "then": True, "later": True}))


@table({
    "unmarked_meanwhile": meanwhile("multi_unmarked", True),
    "single_unmarked_meanwhile": meanwhile("single_unmarked", True),
    "free_meanwhile": meanwhile("multi_free", False),
    "undetermined_meanwhile": meanwhile("by_path", False),
    "undetermined_used_meanwhile": meanwhile("by_path_used", True),
    "each_other_free_ends_last": each_other("single_hooks"),
    "each_other_judged_ends_last": each_other("environment_hooks"),
})
class Interleaved(unittest.TestCase):
    def test_import_under_way__interlock(self) -> None:
        """That it can fail is shown by switch_test.cpp, with a switch that waits for nobody."""
        cases.check(self, Case(INTERLEAVED, None).run(INTERLOCK), SOUND)
