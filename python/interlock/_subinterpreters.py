"""Subinterpreters are left to CPython: each has an import system and a configuration of its own. The configuration is
copied from the main interpreter when one is made, so it must not be the one that is held just then.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import sys

from . import _host, _report

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Any

MAKERS = frozenset(("_interpreters", "_xxsubinterpreters"))


def watch() -> None:
    """For those that have been imported already."""
    for name in MAKERS:
        if (module := sys.modules.get(name)) is not None:
            adapt(module)


def adapt(module: types.ModuleType) -> None:
    """To be called with each new module of MAKERS."""
    make = getattr(module, "create", None)
    if make is None or hasattr(make, "_interlock"):
        return

    def create(*arguments: Any, **options: Any) -> Any:
        _report.note("imports in subinterpreters are left to CPython, and are not in this report")
        return _host.call_for_a_moment(make if not options else lambda *given: make(*given, **options), *arguments)

    create._interlock = True  # type: ignore[attr-defined]
    create.__doc__ = make.__doc__
    module.create = create  # type: ignore[attr-defined]
