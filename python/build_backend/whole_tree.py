"""Builds the package from the tree in which its folder lies, so that `pip install ./python` and `pip install .` are the
same, and an sdist has all that a build needs.

SPDX-License-Identifier: MIT
"""
import os
import pathlib

_TREE = pathlib.Path(__file__).resolve().parents[2]
if not (_TREE / "pyproject.toml").is_file():
    raise SystemExit(f"interlock: error: {_TREE} is not the source tree of interlock, of which this folder is only a "
                     "part; build in a complete clone")
os.chdir(_TREE)

from scikit_build_core.build import *  # noqa: E402, F403
