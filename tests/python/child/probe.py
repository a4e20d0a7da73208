"""Imported first by the code of every case: helpers, and what is told to the test at the end.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

_facts: dict[str, Any] = {}
_process = os.getpid()


def gil() -> bool:
    return sys._is_gil_enabled()


def say(**facts: Any) -> None:
    """Tells the test something; a case's table has what is expected."""
    _facts.update(facts)


def attempt(name: str) -> str:
    """Imports; "ok", or the type of the exception."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return type(error).__name__
    return "ok"


def in_threads(*bodies: Callable[[], Any]) -> list[Any]:
    """Runs each in a thread of its own, which all begin at once, and returns what they return."""
    results: list[Any] = [None] * len(bodies)
    start = threading.Barrier(len(bodies))

    def run(index: int) -> None:
        start.wait()
        results[index] = bodies[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@atexit.register
def _tell() -> None:
    if os.getpid() == _process:
        print("\n" + json.dumps({"gil": gil(), "facts": _facts}), flush=True)
