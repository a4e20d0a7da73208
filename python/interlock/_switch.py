"""The interpreter's switch, and who may move it when.

While it is held (`enable_gil` is 0) CPython neither turns the GIL on for an import nor stops all threads for one. An
import for which CPython itself has to decide goes through a window: `enable_gil` is -1 meanwhile.

Invariant: an import ends under the setting under which it began. CPython counts up when an init function begins and
down when it has ended, and looks at the setting each time (Python/ceval_gil.c). What began while held has not been
counted, and would be counted down in a window, which leaves a count of -1: on, for ever, and nobody's. So

- a window is opened, or joined, when no import that began while held can end: each belongs to this thread, to one that
  waits here as well, or to one that is in a window itself;
- it stays open until all imports in it have ended;
- a thread that leaves a window in the middle of an import that began while held waits until it is closed.

No lock is held while an init function runs. An import that does not end in PATIENCE seconds probably waits for this
one. Then no window is opened for CPython to decide in (Stuck), and the GIL comes on instead: for that a window is
needed for some microseconds only, in which an import that waits for us does not end. After it no count matters any more.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import threading
import time
from threading import get_ident

from . import _host, _report
from ._state import is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 5.0  # seconds; mapping a large library may take some

_lock = threading.Lock()  # guards all that follows
_changed = threading.Condition(_lock)
_waiting = 0  # threads at _changed
_held = False
_outside: dict[int, int] = {}  # imports under way that began while held, by thread
_inside: dict[int, int] = {}  # and those that began in a window
_parked: set[int] = set()  # threads that wait here


def hold() -> None:
    """From now on imports do not touch the GIL."""
    global _held
    with _changed:
        _held = True
        if not _inside:
            _host.set_enable_gil(0)


def is_held() -> bool:
    """Whether the switch is interlock's: not with PYTHON_GIL=0, nor where the GIL was on already."""
    return _held


def after_fork_in_child() -> None:
    """Other threads, and their imports, are gone."""
    global _lock, _changed, _waiting
    me = get_ident()
    _lock = threading.Lock()
    _changed = threading.Condition(_lock)
    _waiting = 0
    _parked.clear()
    for imports in (_outside, _inside):
        for thread in [one for one in imports if one != me]:
            del imports[thread]
    _close_if_unused()


def _count(imports: dict[int, int], thread: int, change: int) -> None:
    number = imports.get(thread, 0) + change
    if number:
        imports[thread] = number
    else:
        imports.pop(thread, None)


class Stuck(Exception):
    """A window cannot be opened."""


def _wait(me: int, until: Callable[[], bool]) -> bool:
    """False when it has been too long."""
    global _waiting
    if until():
        return True
    _parked.add(me)
    _waiting += 1
    _changed.notify_all()
    end = time.monotonic() + PATIENCE
    while not until():
        if not _changed.wait(end - time.monotonic()) and time.monotonic() >= end:
            _report.note(f"an import took longer than {PATIENCE:g} s while another one had to wait for it")
            break
    _waiting -= 1
    _parked.discard(me)
    return until()


def _nobody_can_end(me: int) -> bool:
    return all(thread == me or thread in _parked or thread in _inside for thread in _outside)


def _close_if_unused() -> None:
    # Once the GIL is on it stays on, and the setting is of no more use.
    if not _inside and _held and not is_gil_enabled():
        _host.set_enable_gil(0)


def _leave(me: int) -> None:
    _count(_inside, me, -1)
    _close_if_unused()
    _changed.notify_all()
    if me in _outside and me not in _inside:
        _wait(me, lambda: not _inside)


class Window:
    """CPython's own protocol for what is imported in it. Raises Stuck, but for one that is opened for moments only."""

    def __init__(self, for_moments: bool = False) -> None:
        self._for_moments = for_moments

    def __enter__(self) -> None:
        me = get_ident()
        with _changed:
            if me not in _inside and not _wait(me, lambda: _nobody_can_end(me)) and not self._for_moments:
                raise Stuck
            _count(_inside, me, 1)
            if _held:
                _host.set_enable_gil(-1)

    def __exit__(self, *_: object) -> None:
        with _changed:
            _leave(get_ident())


class Parked:
    """For a thread that waits for another one elsewhere: its imports cannot end meanwhile."""

    def __enter__(self) -> None:
        with _changed:
            _parked.add(get_ident())
            _changed.notify_all()

    def __exit__(self, *_: object) -> None:
        with _changed:
            _parked.discard(get_ident())


# Functions, and _count() written out, as each import of a marked module goes through them.


def begin_held() -> bool:
    """For an import that leaves the GIL alone; while a window is open it is in that, and this returns True. What it
    returns is end_held()'s argument."""
    me = get_ident()
    with _lock:
        if _inside:
            _count(_inside, me, 1)
            return True
        _outside[me] = _outside.get(me, 0) + 1
    return False


def end_held(joined: bool) -> None:
    me = get_ident()
    with _lock:
        if joined:
            _leave(me)
            return
        if _outside[me] == 1:
            del _outside[me]
        else:
            _outside[me] -= 1
        if _waiting:
            _changed.notify_all()
