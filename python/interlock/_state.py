"""What this interpreter is, and its GIL.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import sys


NOT_FREE_THREADED = "interlock: this Python is not free-threaded, so markers have no effect here"


def is_free_threaded() -> bool:
    """Whether this interpreter is built for free threading."""
    return "t" in getattr(sys, "abiflags", "") or _says_sysconfig()


def _says_sysconfig() -> bool:
    """Windows has no abiflags before 3.14."""
    import sysconfig  # slow to import

    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


_is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # CPython does not promise that it stays


def is_gil_enabled() -> bool:
    """Whether the GIL is on now; True for an interpreter that is not built for free threading."""
    return True if _is_gil_enabled is None else _is_gil_enabled()
