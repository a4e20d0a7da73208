"""What the C modules of these tests call, at places that a case is interested in.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

from collections.abc import Callable

handlers: dict[tuple[str, str], Callable[[], None]] = {}


def reached(module: str, place: str) -> None:
    handler = handlers.get((module, place))
    if handler is not None:
        handler()
