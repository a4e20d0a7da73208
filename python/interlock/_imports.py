"""What becomes of each import of an extension module.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import _imp
import importlib.machinery
import os
import sys
import types
from time import perf_counter, time

from . import _host, _report, _subinterpreters
from ._state import is_gil_enabled
from ._warning import escaped, warn, your_line

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_call_with_frames_removed = importlib._bootstrap._call_with_frames_removed  # type: ignore[attr-defined]
_create_dynamic = _imp.create_dynamic
_create_builtin = _imp.create_builtin
_warned: set[tuple[str, str]] = set()
# Seconds. An import that does not end in this time probably waits for the one that waits for it. Mapping a large library
# may take some of it.
PATIENCE = 5.0
_HANDOVER = 0.0005  # seconds for which a thread keeps the GIL while it comes on; Python's own 0.005 is for long work


def take_over() -> None:
    """From now on imports are decided here."""
    _host.set_patience(PATIENCE, _give_up_waiting)
    _subinterpreters.watch()
    os.register_at_fork(after_in_child=_host.forget_other_threads)
    _imp.create_dynamic = _decided_create_dynamic
    _imp.create_builtin = _decided_create_builtin


class _Import:
    """One that is not over in a moment: who imports, and what."""

    def __init__(self, module: str, file: str, found: _host.Decision, importer: types.FrameType | None,
                 importing: list[str], create: Callable[..., Any], *arguments: Any) -> None:
        self.module = module
        self.file = file
        self.found = found
        self.importer = importer
        self.importing = importing
        self.call = (create, *arguments)  # as CPython does it


def _decided_create_dynamic(spec: Any, file: Any = None) -> Any:
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
        if found.action == "free":
            module = _host.call_held(_create_dynamic, spec) if file is None else \
                _host.call_held(_create_dynamic, spec, file)
        else:
            found.follow(_file_of)
            decision = known = found.to_dict()
            module = _create(known, _Import(name, path, found, importer, importing, _create_dynamic, spec,
                                            *(() if file is None else (file,))))
        if name in _subinterpreters.MAKERS:
            _subinterpreters.adapt(module)
        return module
    except BaseException as exception:
        error = _report.error_text(exception)
        raise
    finally:
        _report.add((name, path, at, before, is_gil_enabled(), perf_counter() - begin, importer and importer.f_code,
                     line, importing, decision, error))


def _decided_create_builtin(spec: Any) -> Any:
    # Those of the standard library are marked. What a program put into the init table (PyImport_AppendInittab) is in no
    # file that could be read.
    name = spec.name
    if name in sys.stdlib_module_names:
        module = _host.call_held(_create_builtin, spec)  # CPython counts it as well
        if name in _subinterpreters.MAKERS:
            _subinterpreters.adapt(module)
        return module
    before, at, begin = is_gil_enabled(), time(), perf_counter()
    importer, importing = _host.import_site()
    line = importer and importer.f_lineno
    decision: dict[str, Any] | None = None
    error: str | None = None
    try:
        found = _host.decide(name, None)
        decision = known = found.to_dict()
        return _create(known, _Import(name, "built-in", found, importer, importing, _create_builtin, spec))
    except BaseException as exception:
        error = _report.error_text(exception)
        raise
    finally:
        _report.add((name, "built-in", at, before, is_gil_enabled(), perf_counter() - begin,
                     importer and importer.f_code, line, importing, decision, error))


def _file_of(name: str) -> str | None:
    """The extension module that an import of this name would find, which makes another one. Here and not beside what
    decides about it: only the import system of this moment knows where it looks."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(name, None if "." not in name else _parent_path(name))
    except Exception:
        return None
    if spec is None or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        return None
    return spec.origin or None


def _parent_path(name: str) -> list[str] | None:
    parent = sys.modules.get(name.rpartition(".")[0])
    return list(parent.__path__) if parent is not None and hasattr(parent, "__path__") else None


def _refused(what: _Import, decision: dict[str, Any]) -> ImportError:
    why = next((reason["text"] for reason in decision["why"] if reason["decided"]), "")
    way_out = "install a build for this one" if decision["decided_by"] == "abi" else \
        "change the rule, or do without the module"
    text = f"module '{what.module}' is refused: {why}; {way_out} ({what.file})"
    return ImportError(escaped(text), name=what.module, path=what.file)


def _create(decision: dict[str, Any], what: _Import) -> Any:
    decision["your_line"] = your_line(what.importer)
    if decision["action"] == "refuse":
        raise _refused(what, decision)
    if decision["action"] == "interpreter":
        return _leave_to_cpython(what, decision)
    if decision["action"] == "global_lock" and _host.is_switch_wanted():  # not with PYTHON_GIL or -X gil
        return _create_with_gil(what, decision)
    return _host.call_held(*what.call)


def _create_with_gil(what: _Import, decision: dict[str, Any]) -> Any:
    """Warns, and turns the GIL on for it."""
    key = (what.module, what.file)
    if key not in _warned:
        _warned.add(key)  # before, as a handler of warnings may import it, too
        try:
            warn(what.module, what.file, decision, what.importing, what.importer)  # raises with -W error
        except BaseException:
            _warned.discard(key)
            raise
    if _host.switch_state()["on_for_good"]:
        return _host.call_held(*what.call)
    before = lowered = sys.getswitchinterval()
    try:
        # All threads run into the GIL at once, and this one may be the last to get it.
        sys.setswitchinterval(min(before, _HANDOVER))
        lowered = sys.getswitchinterval()
        if _host.turn_on(_import_stub):
            _report.came_on(what.module, what.file)
        return _host.call_held(*what.call)
    finally:
        if sys.getswitchinterval() == lowered:  # or someone else has set it
            sys.setswitchinterval(before)


def _unwarned_call() -> Callable[[Callable[[Any], object], Any], object]:
    """A function that calls another one, and from which CPython cannot warn: that ends in a TypeError instead, when the
    GIL has come on already. A filter would be seen by other threads, and by the user."""
    def call(what: Callable[[Any], object], argument: Any) -> object:
        return what(argument)

    return types.FunctionType(call.__code__, {"__warningregistry__": 0})


_call_unwarned = _unwarned_call()


def _import_stub() -> bool:
    """The GIL comes on for good, as an import of an unmarked module does it. Says whether it is on."""
    stub = next((found for suffix in importlib.machinery.EXTENSION_SUFFIXES
                 if os.path.exists(found := os.path.join(os.path.dirname(__file__), "_stub" + suffix))), None)
    if stub is None:
        raise ImportError("interlock is not installed completely: its module _stub is missing")
    try:
        _call_unwarned(_create_dynamic, importlib.machinery.ModuleSpec("interlock._stub", None, origin=stub))
    except (TypeError, RuntimeWarning):
        pass  # it comes too late for the switch
    is_on = is_gil_enabled()
    if not is_on:
        _report.note("the GIL could not be turned on; modules that need it run without")
    return is_on


def _give_up_waiting() -> None:
    """On a thread that would have to wait longer, in the middle of an import, for one that CPython judges. When it goes
    on, CPython's count of imports is wrong; with the GIL on for good that does not matter."""
    _report.note(f"an import took longer than {PATIENCE:g} s while another one had to wait for it, so the GIL was turned on")
    _host.turn_on(_import_stub)


def _leave_to_cpython(what: _Import, decision: dict[str, Any]) -> Any:
    try:
        # Through this function, so that a warning of CPython's points to where it does without interlock.
        return _call_with_frames_removed(_host.call_in_window, *what.call)
    except _host.Stuck:
        pass
    _report.note(f"an import took longer than {PATIENCE:g} s while another one had to wait for it")
    what.found.give_up_on_interpreter()
    decision.update(what.found.to_dict())
    return _create_with_gil(what, decision)
