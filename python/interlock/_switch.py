"""The interpreter's switch, and who may move it when.

While it is held (`enable_gil` is 0) CPython neither turns the GIL on for an import nor stops all threads for one. An
import for which CPython itself has to decide goes through a window: `enable_gil` is -1 meanwhile.

Invariant: an import ends under the setting under which it began. CPython counts up when an init function begins and down
when it has ended; what began while held has not been counted, and would be counted down in a window. So a window is
opened when no import that began while held is under way, but for those of threads that wait here as well (they cannot
end before they are let on), and it stays open until all imports that began in it have ended. No lock is held while an
init function runs. An import that does not end for a second probably waits for this one; then the window is opened all
the same.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import threading
import time

from . import _host, _report
from ._state import is_gil_enabled

PATIENCE = 1.0  # seconds

_changed = threading.Condition(threading.Lock())
_held = False
_outside: dict[int, int] = {}  # imports under way that began while held, by thread
_parked: set[int] = set()
_inside = 0  # imports under way that began in a window


def hold() -> None:
    """From now on imports do not touch the GIL."""
    global _held
    with _changed:
        _held = True
        if not _inside:
            _host.set_enable_gil(0)


def after_fork_in_child() -> None:
    """Other threads, and their imports, are gone."""
    global _changed, _inside
    me = threading.get_ident()
    _changed = threading.Condition(threading.Lock())
    _parked.clear()
    for thread in [one for one in _outside if one != me]:
        del _outside[thread]
    if _inside and me not in _outside:
        _inside = 0
        if _held and not is_gil_enabled():
            _host.set_enable_gil(0)


def _may_open(me: int) -> bool:
    return all(thread == me or thread in _parked for thread in _outside)


class Window:
    """CPython's own protocol for what is imported in it. A context manager, as Held is: contextlib costs start-up time."""

    def __enter__(self) -> None:
        global _inside
        me = threading.get_ident()
        with _changed:
            _parked.add(me)
            _changed.notify_all()
            end = time.monotonic() + PATIENCE
            while not _inside and not _may_open(me):
                if not _changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    _report.note("an import took longer than a second while another one had to wait for it")
                    break
            _parked.discard(me)
            _inside += 1
            if _held:
                _host.set_enable_gil(-1)

    def __exit__(self, *_: object) -> None:
        _leave_window()


def _leave_window() -> None:
    global _inside
    with _changed:
        _inside -= 1
        # Once the GIL is on it stays on, and the setting is of no more use.
        if not _inside and _held and not is_gil_enabled():
            _host.set_enable_gil(0)
        _changed.notify_all()


class Held:
    """For imports that leave the GIL alone. While a window is open they are in it."""

    _joined = False

    def __enter__(self) -> None:
        global _inside
        me = threading.get_ident()
        with _changed:
            self._joined = _inside > 0
            if self._joined:
                _inside += 1
            else:
                _outside[me] = _outside.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        if self._joined:
            _leave_window()
            return
        me = threading.get_ident()
        with _changed:
            _outside[me] -= 1
            if not _outside[me]:
                del _outside[me]
            _changed.notify_all()
