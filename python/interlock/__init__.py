"""Per-module GIL policy for free-threaded CPython.

    import interlock
    interlock.install(policy="policy.json")    # as early as possible

or, for a whole program, ``python -m interlock --policy policy.json script.py``.

PYTEST_DONT_REWRITE, as `python -m interlock -m pytest` has imported this before pytest could, and pytest would warn.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

from ._install import install, installed
from ._report import modules, report
from ._state import is_gil_enabled
from ._warning import FallbackWarning

__all__ = ["FallbackWarning", "install", "installed", "is_gil_enabled", "modules", "report"]
