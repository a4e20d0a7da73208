"""The processes that a program starts inherit its policy: multiprocessing with spawn or forkserver starts new
interpreters, which know nothing of their parent but the environment. interlock_children.pth lets each interpreter with
this package look there when it starts.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import os
import sys

VARIABLE = "INTERLOCK_INHERIT"
_SEPARATOR = "\x1f"  # in no name of a file or module that a policy can have


def leave_to_children(policy: str | None, overrides: tuple[str, ...]) -> None:
    """For the children of this process from now on."""
    os.environ[VARIABLE] = _SEPARATOR.join((os.path.abspath(policy) if policy else "", *overrides))


def inherit() -> None:
    """Called at the start of an interpreter whose environment has VARIABLE. A program that installs a policy of its own
    replaces this one."""
    if any(word == "interlock" and before == "-m" for before, word in zip(sys.orig_argv, sys.orig_argv[1:])):
        return  # it gets its own policy in a moment
    from . import _install

    policy, *overrides = os.environ[VARIABLE].split(_SEPARATOR)
    try:
        _install.install(policy or None, overrides=overrides)
    except ValueError as error:
        print(f"interlock: error: the policy of the parent process does not count here: {error}", file=sys.stderr)
