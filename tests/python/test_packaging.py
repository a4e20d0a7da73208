"""What an installer puts there.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import tomllib
import unittest
from typing import Any

import cases

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASK = """
import importlib.metadata as metadata, json
one = metadata.distribution("interlock")
print(json.dumps({"version": one.version, "license": one.metadata["License-Expression"],
                  "plugins": [[point.group, point.value] for point in one.entry_points],
                  "files": [str(file) for file in one.files], "wheel": one.read_text("WHEEL"),
                  "lies": [str(file) for file in one.files if not file.locate().exists()]}))
"""


class Packaging(unittest.TestCase):
    def test_one_description(self) -> None:
        """The folder and the root are built by the same tools; all else is said in the root alone."""
        root, folder = (tomllib.loads((ROOT / path / "pyproject.toml").read_text()) for path in ("", "python"))
        self.assertEqual(folder["build-system"]["requires"], root["build-system"]["requires"])
        self.assertEqual(list(folder), ["build-system"])

    @unittest.skipIf("INTERLOCK_PYTHONPATH" in os.environ, "the package is not installed")
    def test_installed(self) -> None:
        interpreter = cases.world.interpreter
        done = subprocess.run([interpreter.executable, "-c", ASK], capture_output=True, text=True, check=True,
                              cwd=cases.world.scratch, env=cases.world.environment())
        told: dict[str, Any] = json.loads(done.stdout)
        version = re.search(r'INTERLOCK_VERSION "(.+)"', (ROOT / "base/include/interlock/version.hpp").read_text())
        assert version is not None
        self.assertEqual((told["version"], told["license"]), (version[1], "MIT"))
        self.assertEqual(told["plugins"], [["pytest11", "interlock.pytest_plugin"]])
        self.assertEqual(told["lies"], [])
        files = {file for file in told["files"] if "__pycache__" not in file and ".dist-info/" not in file}
        sources = {f"interlock/{file.name}" for file in (ROOT / "python" / "interlock").iterdir()
                   if file.suffix in (".py", ".pyi", ".typed")}
        suffix = interpreter.suffix
        self.assertEqual(files, sources | {f"interlock/_host{suffix}", f"interlock/_stub{suffix}",
                                           "interlock/_audit.so", "interlock_children.pth",
                                           "../../../bin/interlock",
                                           "../../../libexec/interlock/interlock-audit"})
        self.assertLessEqual({"interlock/py.typed", "interlock/_host.pyi"}, files)
        self.assertIn(f"interlock-{version[1]}.dist-info/licenses/LICENSE", told["files"])
        major, minor = interpreter.version
        self.assertRegex(told["wheel"], rf"(?m)^Tag: cp{major}{minor}-cp{major}{minor}t-linux_\w+$")
