"""What was imported, what was decided, and when the GIL came on.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import time

from ._state import is_free_threaded, is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

    from ._host import Decision

    # module, file, when (s since 1970), the GIL before and after, seconds, the importer's code and line, the modules that
    # are being imported, the decision, the error
    Record = tuple[str, str, float, bool, bool, float, types.CodeType | None, int | None, list[str],
                   Decision | dict[str, Any] | None, str | None]

# No lock: what interrupts Python code (a signal, a destructor) may import as well. Each change is one step.
_records: list[Record] = []
_MOST = 10_000  # of them; a program that tries an import again and again shall not run out of memory
_before: list[str] = []
_came_on: dict[str, Any] | None = None
_notes: dict[str, None] = {}
switch_state: Callable[[], dict[str, Any]] | None = None  # _host's, once that counts


def add(record: Record) -> None:
    """For each import, so it is left as it is until someone asks."""
    if len(_records) < _MOST:
        _records.append(record)
    else:
        note(f"only the first {_MOST} imports are listed")


def _as_dict(record: Record) -> dict[str, Any]:
    module, file, at, before, after, seconds, code, line, importing, decision, error = record
    result: dict[str, Any] = {
        "module": module, "file": file, "at": at, "gil_before": before, "imported_by": importing[1:],
        "line": None if code is None else f"{code.co_filename}:{line}",
    }
    if decision is not None:
        known = decision if isinstance(decision, dict) else decision.to_dict()
        result.update({key: known[key] for key in ("verdict", "confidence", "action", "decided_by", "why", "evidence",
                                                   "build_id")})
        if "your_line" in known:
            result["your_line"] = known["your_line"]
    result.update(seconds=seconds, gil_after=after)
    if error is not None:
        result["error"] = error
    return result


def error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def came_on(module: str, file: str) -> None:
    """The GIL was turned on for a module; what follows the first changes nothing."""
    global _came_on
    if _came_on is None:
        _came_on = {"module": module, "file": file, "at": time.time()}


def _who_turned_it_on() -> dict[str, Any] | None:
    if _came_on or not is_gil_enabled():
        return _came_on
    # Or CPython did, for what only it could judge.
    return next(({"module": module, "file": file, "at": at}
                 for module, file, at, before, after, *_, decision, _error in list(_records)
                 if after and not before and isinstance(decision, dict) and decision["action"] == "interpreter"), None)


def note(text: str) -> None:
    """Something about the run as such, said once."""
    _notes[text] = None


def imported_before(names: list[str]) -> None:
    _before[:] = names


def modules() -> list[dict[str, Any]]:
    """Every import of an extension module since install(), in order."""
    return [_as_dict(record) for record in list(_records)]


def _all_notes() -> list[str]:
    # It may have been on for a moment only then; the switch is held as soon as it is off.
    was_on = switch_state is not None and not switch_state()["held"] and is_gil_enabled()
    return ["the GIL was on before install() was called"] * was_on + list(_notes)


def report() -> dict[str, Any]:
    """As --report writes it: JSON, "schema_version" 1."""
    return {
        "schema_version": 1,
        "free_threaded": is_free_threaded(),
        "gil_enabled": is_gil_enabled(),
        "gil_came_on": _who_turned_it_on(),
        "imported_before_install": list(_before),
        "notes": _all_notes(),
        "modules": modules(),
    }
