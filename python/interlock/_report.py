"""What was imported, what was decided, and when the GIL came on.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import threading
import time

from ._state import is_free_threaded, is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from typing import Any

_lock = threading.Lock()
_records: list[dict[str, Any]] = []
_before: list[str] = []
_came_on: dict[str, Any] | None = None
_notes: list[str] = []


def add(record: dict[str, Any]) -> None:
    with _lock:
        _records.append(record)


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
    return next(({"module": record["module"], "file": record["file"], "at": record["at"]} for record in _records
                 if record.get("action") == "interpreter" and record["gil_after"] and not record["gil_before"]), None)


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
        return [dict(record) for record in _records]


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
            "modules": [dict(record) for record in _records],
        }


def now() -> float:
    return time.time()
