"""What was imported, what was decided, and when the GIL came on.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import threading
import time

from ._state import is_free_threaded, is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from typing import Any

    from ._host import Decision

    # module, file, when (s since 1970), the GIL before and after, seconds, the importer's code and line, the modules that
    # are being imported, the decision, the error
    Record = tuple[str, str, float, bool, bool, float, types.CodeType | None, int | None, list[str],
                   Decision | dict[str, Any] | None, str | None]

_lock = threading.Lock()
_records: list[Record] = []
_before: list[str] = []
_came_on: dict[str, Any] | None = None
_notes: list[str] = []


def add(record: Record) -> None:
    """For each import, so it is left as it is until someone asks."""
    with _lock:
        _records.append(record)


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
    with _lock:
        if _came_on is None:
            _came_on = {"module": module, "file": file, "at": now()}


def _who_turned_it_on() -> dict[str, Any] | None:
    if _came_on or not is_gil_enabled():
        return _came_on
    # Or CPython did, for what only it could judge.
    return next(({"module": module, "file": file, "at": at}
                 for module, file, at, before, after, *_, decision, _error in _records
                 if after and not before and isinstance(decision, dict) and decision["action"] == "interpreter"), None)


def note(text: str) -> None:
    """Something about the run as such, said once."""
    with _lock:
        if text not in _notes:
            _notes.append(text)


def imported_before(names: list[str]) -> None:
    with _lock:
        _before[:] = names


def modules() -> list[dict[str, Any]]:
    """Every import of an extension module since install(), in order."""
    with _lock:
        return [_as_dict(record) for record in _records]


def report() -> dict[str, Any]:
    """As --report writes it: JSON, "schema_version" 1."""
    with _lock:
        return {
            "schema_version": 1,
            "free_threaded": is_free_threaded(),
            "gil_enabled": is_gil_enabled(),
            "gil_came_on": _who_turned_it_on(),
            "imported_before_install": list(_before),
            "notes": list(_notes),
            "modules": [_as_dict(record) for record in _records],
        }


def now() -> float:
    return time.time()
