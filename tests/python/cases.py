"""A case: code that runs in a fresh process, once under plain CPython and once under interlock, and what is expected of
each.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import build

CHILD = pathlib.Path(__file__).resolve().parent / "child"
DEADLINE = 60  # seconds: who needs them hangs
WARNING = re.compile(
    r"^(?P<file>.+?):(?P<line>\d+): (?P<category>\w+): The global interpreter lock \(GIL\) has been enabled to load "
    r"module '(?P<module>[^']+)', which has not declared that it can run safely without the GIL\. To override this "
    r"behavior and keep the GIL disabled \(at your own risk\), run with PYTHON_GIL=0 or -Xgil=0\.$", re.MULTILINE)
PLAIN, INTERLOCK = "plain", "interlock"


@dataclass(frozen=True)
class Warned:
    module: str
    category: str
    file: str
    line: int


@dataclass(frozen=True)
class Run:
    """What a process did. `gil` and `facts` are what probe.py tells; None and empty where it did not get so far."""

    status: int
    output: str
    errors: str
    gil: bool | None
    facts: dict[str, Any]
    folder: pathlib.Path

    @property
    def warned(self) -> list[Warned]:
        return [Warned(one["module"], one["category"], one["file"], int(one["line"]))
                for one in WARNING.finditer(self.errors)]

    def __str__(self) -> str:
        return f"exit status {self.status}\n--- stdout\n{self.output}\n--- stderr\n{self.errors}"


class World:
    """The interpreter, the modules of these tests, and interlock; made once by run.py."""

    def __init__(self, python: str, scratch: pathlib.Path):
        self.interpreter = build.Interpreter.of(python)
        self.modules = scratch / "modules"
        self.modules.mkdir()
        self.scratch = scratch
        build.build(self.interpreter, self.modules)
        where = subprocess.run(
            [python, "-c", "import interlock, os; print(os.path.dirname(os.path.dirname(interlock.__file__)))"],
            capture_output=True, text=True, env=self.environment(), cwd=scratch)
        # The folder on sys.path in which the package lies.
        self.package = pathlib.Path(where.stdout.removesuffix("\n")) if where.returncode == 0 else None
        self.embeds = build.build_embedding_program(self.interpreter, scratch)

    def path_of(self, module: str) -> pathlib.Path:
        return build.path_of(self.modules, self.interpreter, module)

    def environment(self, extra: Mapping[str, str] = {}, path: Sequence[str] = ()) -> dict[str, str]:
        folders = [*path, str(self.modules), str(CHILD)]
        if where := os.environ.get("INTERLOCK_PYTHONPATH"):
            folders.append(where)
        return {"PATH": os.environ["PATH"], "HOME": str(self.scratch), "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join(folders), **extra}

    def run(self, code: str, side: str = INTERLOCK, *, options: Sequence[str] = (), env: Mapping[str, str] = {},
            python_options: Sequence[str] = (), files: Mapping[str, str] = {}, path: Sequence[str] = (),
            executable: str | None = None) -> Run:
        """`options` are interlock's, `python_options` the interpreter's. The code is case.py in a folder of its own, in
        which `files` lie as well; that is the working directory. @MODULES@ and @SUFFIX@ in texts are replaced."""
        def filled(text: str) -> str:
            return text.replace("@MODULES@", str(self.modules)).replace("@SUFFIX@", self.interpreter.suffix)

        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        for name, text in {**files, "case.py": code}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(filled(text), encoding="utf-8")
        command = [executable or self.interpreter.executable, *python_options]
        if side == INTERLOCK:
            command += ["-m", "interlock", *map(filled, options)]
        try:
            done = subprocess.run([*command, str(folder / "case.py")], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, errors="replace", cwd=folder, env=self.environment(env, path),
                                  timeout=DEADLINE)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"no end after {DEADLINE} s: {command}\n{error.stdout}\n{error.stderr}") from None
        gil, facts = None, {}
        for line in done.stdout.splitlines():
            if line.startswith('{"gil":'):
                told = json.loads(line)
                gil, facts = told["gil"], told["facts"]
        return Run(done.returncode, done.stdout, done.stderr, gil, facts, folder)


world: World  # set by run.py


@dataclass(frozen=True)
class Expect:
    """Of one side. The GIL at the end, who is named in a warning (in order), what the code said."""

    gil: bool | None
    warned: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    errors: str = ""  # a regular expression that is found in stderr
    any_order: bool = False  # of the warnings


@dataclass(frozen=True)
class Case:
    """`interlock` is what differs from `plain`; None: nothing."""

    code: str
    plain: Expect | None  # None: the case makes no sense there
    interlock: Expect | None = None
    options: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    python_options: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def run(self, side: str) -> Run:
        return world.run("from probe import *\n" + self.code, side, options=self.options, env=self.env,
                         python_options=self.python_options, files=self.files)


def check(test: unittest.TestCase, run: Run, expect: Expect) -> None:
    modules = [one.module for one in run.warned]
    wanted = list(expect.warned)
    if expect.any_order:
        modules, wanted = sorted(modules), sorted(wanted)
    seen = {"status": run.status, "gil": run.gil, "warned": modules, "facts": run.facts}
    test.assertEqual(seen, {"status": expect.status, "gil": expect.gil, "warned": wanted, "facts": dict(expect.facts)},
                     f"\n{run}")
    if expect.errors:
        test.assertRegex(run.errors, expect.errors)


def table(cases: Mapping[str, Case]) -> Callable[[type], type]:
    """Makes test methods of them: two for each case."""

    def add(to: type) -> type:
        for name, case in cases.items():
            for side in (PLAIN, INTERLOCK):
                expect = case.plain if side == PLAIN else case.interlock or case.plain
                if expect is None:
                    continue

                def method(self: unittest.TestCase, case: Case = case, side: str = side,
                           expect: Expect = expect) -> None:
                    check(self, case.run(side), expect)

                method.__name__ = f"test_{name}__{side}"
                method.__qualname__ = f"{to.__qualname__}.{method.__name__}"
                assert not hasattr(to, method.__name__), method.__name__
                setattr(to, method.__name__, method)
        return to

    return add


def policy(*rules: Mapping[str, Any], **more: Any) -> str:
    """The text of a policy file; a rule is given as match and threading, and gets a reason."""
    return json.dumps({"rules": [{"reason": "tested", **rule} for rule in rules], **more})
