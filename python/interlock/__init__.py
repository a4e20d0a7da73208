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

__all__ = ["FallbackWarning", "PolicyError", "install", "installed", "is_gil_enabled", "modules", "report"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._host import PolicyError
else:
    def __getattr__(name: str) -> object:
        if name != "PolicyError":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._host import PolicyError  # not before it is needed: it takes long to load

        return PolicyError
