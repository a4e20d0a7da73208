"""What becomes of each import of an extension module.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import _imp
import importlib.machinery
import os
import sys
import threading
from time import perf_counter, time

from . import _host, _report, _subinterpreters, _switch
from ._state import is_gil_enabled
from ._warning import escaped, warn, your_line

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

_create_dynamic = _imp.create_dynamic
_create_builtin = _imp.create_builtin
_warned: set[tuple[str, str]] = set()
# The GIL has come on for good. is_gil_enabled() does not tell: it is on as well while CPython judges a module.
_on = False
# One thread turns it on. With two CPython 3.13 gets the count wrong: who asked for the switch when it was off, and
# gets to it when it is on for good, adds one to INT_MAX, and the next one is warned of again. Reentrant for the sake of
# audit hooks.
_turning_on = threading.RLock()


def take_over() -> None:
    """From now on imports are decided here."""
    _subinterpreters.watch()
    os.register_at_fork(after_in_child=_after_fork_in_child)
    _imp.create_dynamic = _decided_create_dynamic
    _imp.create_builtin = _decided_create_builtin


def _after_fork_in_child() -> None:
    global _turning_on
    _turning_on = threading.RLock()
    _host.after_fork_in_child()
    _switch.after_fork_in_child()


class _Import:
    """One that is not over in a moment: who imports, and what."""

    def __init__(self, module: str, file: str, importer: types.FrameType | None, importing: list[str],
                 create: Callable[[], types.ModuleType]) -> None:
        self.module = module
        self.file = file
        self.importer = importer
        self.importing = importing
        self.create = create  # as CPython does it


def _decided_create_dynamic(spec: Any, file: Any = None) -> types.ModuleType:
    # All that the import of a marked module goes through, in one piece and with the text of the report left for later:
    # it shall not be slower than without interlock.
    name, path = spec.name, spec.origin
    if not isinstance(path, str):
        path = os.fsdecode(path)
    before, at, begin = is_gil_enabled(), time(), perf_counter()
    importer, importing = _host.import_site()
    line = importer and importer.f_lineno
    decision: _host.Decision | dict[str, Any] | None = None
    error: str | None = None
    try:
        decision = found = _host.decide(name, path)
        if found.action == "free" and _switch.is_held():
            joined = _switch.begin_held()
            try:
                module = _create_dynamic(spec) if file is None else _create_dynamic(spec, file)
            finally:
                _switch.end_held(joined)
        else:
            decision = known = _resolved(name, path, found.to_dict())
            module = _create(known, _Import(
                name, path, importer, importing,
                lambda: _create_dynamic(spec) if file is None else _create_dynamic(spec, file)))
        if name in _subinterpreters.MAKERS:
            _subinterpreters.adapt(module)
        return module
    except BaseException as exception:
        error = _report.error_text(exception)
        raise
    finally:
        _report.add((name, path, at, before, is_gil_enabled(), perf_counter() - begin, importer and importer.f_code,
                     line, importing, decision, error))


def _decided_create_builtin(spec: Any) -> types.ModuleType:
    # Those of the standard library are marked. What a program put into the init table (PyImport_AppendInittab) is in no
    # file that could be read.
    name = spec.name
    if name.partition(".")[0] in sys.stdlib_module_names:
        module = _create_builtin(spec)
        if name in _subinterpreters.MAKERS:
            _subinterpreters.adapt(module)
        return module
    before, at, begin = is_gil_enabled(), time(), perf_counter()
    importer, importing = _host.import_site()
    line = importer and importer.f_lineno
    decision: dict[str, Any] | None = None
    error: str | None = None
    try:
        decision = known = _host.decide(name, None).to_dict()
        return _create(known, _Import(name, "built-in", importer, importing, lambda: _create_builtin(spec)))
    except BaseException as exception:
        error = _report.error_text(exception)
        raise
    finally:
        _report.add((name, "built-in", at, before, is_gil_enabled(), perf_counter() - begin,
                     importer and importer.f_code, line, importing, decision, error))


def _resolved(name: str, file: str, decision: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """The decision; where another module decides, that of this one."""
    target = decision["delegated_to"]
    if decision["action"] != "interpreter" or decision["verdict"] != "delegated" or not target or depth > 8:
        return decision
    try:
        spec = importlib.machinery.PathFinder.find_spec(target, None if "." not in target else _parent_path(target))
    except Exception:
        spec = None
    if spec is None or not spec.origin or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        return decision
    other = _resolved(target, spec.origin, _host.decide(target, spec.origin).to_dict(), depth + 1)
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


def _refused(what: _Import, decision: dict[str, Any]) -> ImportError:
    why = next((reason["text"] for reason in decision["why"] if reason["decided"]), "")
    text = f"module '{what.module}' is refused: {why}; change the rule, or do without the module ({what.file})"
    return ImportError(escaped(text), name=what.module, path=what.file)


def _create(decision: dict[str, Any], what: _Import) -> types.ModuleType:
    decision["your_line"] = your_line(what.importer)
    if decision["action"] == "refuse":
        raise _refused(what, decision)
    if _host.get_enable_gil() != -1 and not _switch.is_held():  # PYTHON_GIL or -X gil
        return what.create()
    if decision["action"] == "global_lock":
        _give_way_to(what, decision)
        return what.create()
    if decision["action"] == "free":
        joined = _switch.begin_held()
        try:
            return what.create()
        finally:
            _switch.end_held(joined)
    return _leave_to_cpython(what, decision)


def _give_way_to(what: _Import, decision: dict[str, Any]) -> None:
    """Warns, and turns the GIL on."""
    key = (what.module, what.file)
    if key not in _warned:
        warn(what.module, what.file, decision, what.importing, what.importer)  # raises with -W error
        _warned.add(key)
    if not _switch.is_held() or _on:
        return
    with _switch.Parked():
        _turning_on.acquire()
    try:
        if not _on:
            _turn_on()
            _report.came_on(what.module, what.file)
    finally:
        _turning_on.release()


class _OfTheStub:
    """As a pattern of a warning filter."""

    def match(self, text: str) -> bool:
        return "'interlock._stub'" in text


def _turn_on() -> None:
    """The GIL comes on for good, as an import of an unmarked module does it."""
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
    ours = ("ignore", _OfTheStub(), RuntimeWarning, None, 0)
    filters.insert(0, ours)
    try:
        with _switch.Window(for_moments=True):
            _create_dynamic(spec)
    except RuntimeWarning:
        pass  # a filter that makes it an error comes too late for the switch
    finally:
        if ours in filters:
            filters.remove(ours)
    _on = is_gil_enabled()
    if not _on:
        _report.note("the GIL could not be turned on; modules that need it run without")


def _leave_to_cpython(what: _Import, decision: dict[str, Any]) -> types.ModuleType:
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
        _give_way_to(what, decision)
        return what.create()
    try:
        return what.create()
    finally:
        window.__exit__()
