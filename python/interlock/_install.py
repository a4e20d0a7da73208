"""Takes over the decision for each import of an extension module.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import _imp
import importlib.machinery
import os
import sys
import threading
import time

from . import _report
from ._state import is_free_threaded, is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable
    from typing import Any

_lock = threading.Lock()
_installed = False
_create_dynamic = _imp.create_dynamic
_create_builtin = _imp.create_builtin
_warned: set[tuple[str, str]] = set()
# The GIL has come on for good. is_gil_enabled() does not tell: it is on as well while CPython judges a module.
_on = False
# One thread turns it on. With two CPython 3.13 gets the count wrong: who asked for the switch when it was off, and
# gets to it when it is on for good, adds one to INT_MAX, and the next one is warned of again. Reentrant for the sake of
# audit hooks.
_turning_on = threading.RLock()


def installed() -> bool:
    """Whether install() has taken over the imports of this process."""
    return _installed


def install(policy: str | os.PathLike[str] | None = None, *, overrides: Iterable[str] = ()) -> bool:
    """Decides from now on what each import of an extension module does to the GIL.

    `policy` is a policy file as interlock's loader reads it; an override ("a.b=free") goes before it. To be called as
    early as possible: what was imported before is only listed in the report. Called again it changes policy and
    overrides. Python processes that this one starts inherit them, by the environment (INTERLOCK_INHERIT). Returns
    False, with a line on stderr, where markers have no effect: the interpreter has a GIL. Raises PolicyError, before
    anything has changed.
    """
    global _installed
    if not is_free_threaded():
        print("interlock: this Python is not free-threaded, so markers have no effect here", file=sys.stderr)
        return False
    from . import _child, _host, _subinterpreters, _switch

    with _lock:
        overrides = tuple(overrides)
        _host.configure(policy=policy, overrides=overrides)
        _child.leave_to_children(None if policy is None else os.fsdecode(policy), overrides)
        if _installed:
            return True
        suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
        _report.imported_before(sorted(
            name for name, module in list(sys.modules.items())
            if (getattr(module, "__file__", None) or "").endswith(suffixes) and not name.startswith("interlock.")))
        # PYTHON_GIL and -X gil win: then there is nothing to switch, and refusals and the report are what is left.
        if _host.get_enable_gil() == -1:
            if is_gil_enabled():
                _report.note("the GIL was on before install() was called")
            else:
                _switch.hold()
        _subinterpreters.watch()
        os.register_at_fork(after_in_child=_after_fork_in_child)
        _imp.create_dynamic = _decided_create_dynamic
        _imp.create_builtin = _decided_create_builtin
        _installed = True
    return True


def _after_fork_in_child() -> None:
    global _turning_on
    from . import _host, _switch

    _turning_on = threading.RLock()
    _host.after_fork_in_child()
    _switch.after_fork_in_child()


def _resolved(name: str, file: str, depth: int = 0) -> dict[str, Any]:
    """The decision; where another module decides, that of this one."""
    from . import _host

    decision = _host.decide(name, file)
    target = decision["delegated_to"]
    if decision["action"] != "interpreter" or decision["verdict"] != "delegated" or not target or depth > 8:
        return decision
    try:
        spec = importlib.machinery.PathFinder.find_spec(target, None if "." not in target else _parent_path(target))
    except Exception:
        spec = None
    if spec is None or not spec.origin or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        return decision
    other = _resolved(target, spec.origin, depth + 1)
    if other["action"] == "interpreter":
        return decision
    decision["action"] = "global_lock" if other["action"] == "refuse" else other["action"]
    decision["decided_by"] = "marker"
    for reason in decision["why"]:
        reason["decided"] = False
    decision["why"].append({"source": "marker", "says": decision["action"], "decided": True,
                            "text": f"its module is made by {target} ({spec.origin}), which says: {other['reason']}"})
    return decision


def _parent_path(name: str) -> list[str] | None:
    parent = sys.modules.get(name.rpartition(".")[0])
    return list(parent.__path__) if parent is not None and hasattr(parent, "__path__") else None


def _refused(name: str, file: str, decision: dict[str, Any]) -> ImportError:
    why = next((reason["text"] for reason in decision["why"] if reason["decided"]), "")
    from ._warning import escaped

    text = f"module '{name}' is refused: {why}; change the rule, or do without the module ({file})"
    return ImportError(escaped(text), name=name, path=file)


class _OfTheStub:
    """As a pattern of a warning filter."""

    def match(self, text: str) -> bool:
        return "'interlock._stub'" in text


def _turn_on() -> None:
    """The GIL comes on for good, as an import of an unmarked module does it."""
    from . import _switch

    global _on
    stub = next((found for suffix in importlib.machinery.EXTENSION_SUFFIXES
                 if os.path.exists(found := os.path.join(os.path.dirname(__file__), "_stub" + suffix))), None)
    if stub is None:
        raise ImportError("interlock is not installed completely: its module _stub is missing")
    spec = importlib.machinery.ModuleSpec("interlock._stub", None, origin=stub)
    import _warnings

    # The user is warned of the culprit, and not of the stub. Not by warnings.filterwarnings(), which compiles a
    # pattern: that takes long while other threads work (_warning.distribution_of()).
    imported = sys.modules.get("warnings")
    ask = getattr(imported, "_get_filters", None)  # 3.14: they may be those of a context
    filters = ask() if ask else getattr(imported, "filters", _warnings.filters)
    filters.insert(0, ("ignore", _OfTheStub(), RuntimeWarning, None, 0))
    with _switch.Window(for_moments=True):
        try:
            _create_dynamic(spec)
        except RuntimeWarning:
            pass  # a filter that makes it an error comes too late for the switch
    _on = is_gil_enabled()
    if not _on:
        _report.note("the GIL could not be turned on; modules that need it run without")


def _decided_create_dynamic(spec: Any, file: Any = None) -> types.ModuleType:
    name, path = spec.name, os.fsdecode(spec.origin)

    def create(record: dict[str, Any]) -> types.ModuleType:
        decision = _resolved(name, path)
        record.update({key: decision[key] for key in ("verdict", "confidence", "action", "decided_by", "why",
                                                      "build_id")})
        return _adapted(_create(spec, file, name, path, decision))

    return _recorded(name, path, create)


def _recorded(name: str, path: str, create: Callable[[dict[str, Any]], types.ModuleType]) -> types.ModuleType:
    from ._warning import import_chain, users_frame

    before, begin = is_gil_enabled(), time.perf_counter()
    frame = users_frame()
    record: dict[str, Any] = {
        "module": name, "file": path, "at": _report.now(), "gil_before": before,
        "imported_by": import_chain()[1:],
        "line": None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}",
    }
    error: str | None = None
    try:
        return create(record)
    except BaseException as exception:
        error = f"{type(exception).__name__}: {exception}".partition("\n")[0]
        raise
    finally:
        record["seconds"] = time.perf_counter() - begin
        record["gil_after"] = is_gil_enabled()
        if error is not None:
            record["error"] = error
        _report.add(record)


def _adapted(module: types.ModuleType) -> types.ModuleType:
    from . import _subinterpreters

    _subinterpreters.adapt(module)
    return module


def _create(spec: Any, file: Any, name: str, path: str, decision: dict[str, Any]) -> types.ModuleType:
    from . import _host, _switch

    arguments = (spec,) if file is None else (spec, file)
    if decision["action"] == "refuse":
        raise _refused(name, path, decision)
    if _host.get_enable_gil() != -1 and not _switch.is_held():  # PYTHON_GIL or -X gil
        return _create_dynamic(*arguments)
    if decision["action"] == "global_lock":
        _give_way_to(name, path, decision)
        return _create_dynamic(*arguments)
    if decision["action"] == "free":
        with _switch.Held():
            return _create_dynamic(*arguments)
    return _leave_to_cpython(name, path, decision, lambda: _create_dynamic(*arguments))


def _give_way_to(name: str, path: str, decision: dict[str, Any]) -> None:
    """Warns, and turns the GIL on."""
    from . import _switch
    from ._warning import warn

    if (name, path) not in _warned:
        warn(name, path, decision)  # raises with -W error
        _warned.add((name, path))
    if not _switch.is_held() or _on:
        return
    with _switch.Parked():
        _turning_on.acquire()
    try:
        if not _on:
            _turn_on()
            _report.came_on(name, path)
    finally:
        _turning_on.release()


def _leave_to_cpython(name: str, path: str, decision: dict[str, Any],
                      create: Callable[[], types.ModuleType]) -> types.ModuleType:
    from . import _switch

    window = _switch.Window()
    try:
        window.__enter__()
    except _switch.Stuck:
        for reason in decision["why"]:
            reason["decided"] = False
        decision["why"].append({
            "source": "default", "says": "global_lock", "decided": True,
            "text": "CPython cannot decide while another import is under way that does not end"})
        decision["action"] = "global_lock"
        _give_way_to(name, path, decision)
        return create()
    try:
        return create()
    finally:
        window.__exit__()


def _decided_create_builtin(spec: Any) -> types.ModuleType:
    # Those of the standard library are marked. What a program put into the init table (PyImport_AppendInittab) is in no
    # file that could be read.
    if spec.name.partition(".")[0] in sys.stdlib_module_names:
        return _adapted(_create_builtin(spec))
    from . import _switch

    def create(record: dict[str, Any]) -> types.ModuleType:
        why = {"source": "default", "says": "interpreter", "decided": True,
               "text": "it is built into the program: there is no file to read, so the interpreter decides"}
        record.update(verdict="undetermined", confidence="certain", action="interpreter", decided_by="default",
                      why=[why], build_id="")
        return _leave_to_cpython(spec.name, "built-in", {**record, "evidence": []}, lambda: _create_builtin(spec))

    return _recorded(spec.name, "built-in", create)
