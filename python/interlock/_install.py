"""Where interlock takes over the imports of a process.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import importlib.machinery
import os
import sys
import threading

from . import _report
from ._state import NOT_FREE_THREADED, is_free_threaded

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from collections.abc import Iterable

_lock = threading.RLock()
_installed = False


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
        print(NOT_FREE_THREADED, file=sys.stderr)
        return False
    before = _imported_extensions()
    from . import _child, _host, _imports

    with _lock:
        overrides = tuple(overrides)
        _host.configure(policy=policy, overrides=overrides)
        _child.leave_to_children(None if policy is None else os.fsdecode(policy), overrides)
        if _installed:
            return True
        _report.imported_before(before)
        # PYTHON_GIL and -X gil win: then there is nothing to switch, and refusals and the report are what is left.
        if _host.get_enable_gil() == -1:
            _host.want_switch()
            _report.switch_state = _host.switch_state
        _imports.take_over()
        os.register_at_fork(after_in_child=_after_fork_in_child)
        _installed = True
    return True


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()


def _imported_extensions() -> list[str]:
    """Without running code of a module: some only load when something is asked of them, and some are no modules."""
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    names = []
    for name, module in list(sys.modules.items()):
        try:
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue
        if isinstance(name, str) and isinstance(file, (str, os.PathLike)) and \
                os.fspath(file).endswith(suffixes) and not name.startswith("interlock."):
            names.append(name)
    return sorted(names)
