"""The processes that a program starts inherit its policy: multiprocessing with spawn or forkserver starts new
interpreters, which know nothing of their parent but the environment. interlock_children.pth lets each interpreter with
this package look there when it starts.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import os
import sys

VARIABLE = "INTERLOCK_INHERIT"
_tried = False
_SEPARATOR = "\x1f"  # in no name of a file or module that a policy can have


def leave_to_children(policy: str | None, overrides: tuple[str, ...]) -> None:
    """For the children of this process from now on."""
    os.environ[VARIABLE] = _SEPARATOR.join((os.path.abspath(policy) if policy else "", *overrides))


def _starts_interlock(command: list[str]) -> bool:
    """Whether Python was started with -m interlock; what follows the program is the program's."""
    words = iter(command[1:])
    for word in words:
        if not word.startswith("-") or word == "-":
            return False
        for at, letter in enumerate(word[1:], 2):
            if letter in "WX":  # these have an argument
                if at == len(word):
                    next(words, None)
                break
            if letter in "cm-":
                break
        else:
            continue
        if letter == "m":
            return (word[at:] or next(words, "")) == "interlock"
        if letter == "c":
            return False
    return False


def inherit() -> None:
    """Called at the start of an interpreter whose environment has VARIABLE. A program that installs a policy of its own
    replaces this one."""
    global _tried
    from . import _install

    # In a virtual environment it may be called twice.
    if _tried or _install.installed() or _starts_interlock(sys.orig_argv):
        return
    _tried = True
    policy, *overrides = os.environ[VARIABLE].split(_SEPARATOR)
    try:
        _install.install(policy or None, overrides=overrides)
    except ValueError as error:
        print(f"interlock: error: the policy of the parent process does not count here: {error}", file=sys.stderr)
