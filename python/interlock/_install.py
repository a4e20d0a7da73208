"""Where interlock takes over the imports of a process.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import importlib.machinery
import os
import sys
import threading

from . import _report
from ._state import is_free_threaded, is_gil_enabled

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from collections.abc import Iterable

_lock = threading.Lock()
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
        print("interlock: this Python is not free-threaded, so markers have no effect here", file=sys.stderr)
        return False
    from . import _child, _host, _imports, _switch

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
        _imports.take_over()
        _installed = True
    return True
