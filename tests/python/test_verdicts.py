"""Verdicts that are kept on disk from one run to the next, and what is not believed of them. Whether a file was judged
anew is seen by the library _audit, which is only mapped then.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import unittest

import cases
from cases import Run

CODE = ("from probe import *\nimport NAME\n"
        "say(judged='/_audit.so' in open('/proc/self/maps').read())\n")


@unittest.skipUnless(os.path.exists("/proc/self/maps"), "this system does not say which libraries are mapped")
class Kept(unittest.TestCase):
    def setUp(self) -> None:
        self.cache = pathlib.Path(tempfile.mkdtemp(dir=cases.world.scratch))
        self.entries = self.cache / "interlock" / "verdicts"
        # A copy, which the test may change.
        self.modules = pathlib.Path(tempfile.mkdtemp(dir=cases.world.scratch))
        for name in ("multi_free", "multi_unmarked", "single_free"):
            shutil.copy2(cases.world.path_of(name), self.modules)

    def judged(self, name: str, on: bool, **env: str) -> bool:
        run: Run = cases.world.run(CODE.replace("NAME", name), path=[str(self.modules)],
                                   env={"XDG_CACHE_HOME": str(self.cache), **env})
        self.assertEqual((run.status, run.gil), (0, on), run)
        return bool(run.facts["judged"])

    def entry(self) -> pathlib.Path:
        """That of multi_unmarked."""
        [one] = [entry for entry in self.entries.iterdir() if b":multi_unmarked" in entry.read_bytes()]
        return one

    def test_second_run(self) -> None:
        self.assertTrue(self.judged("multi_unmarked", True))
        self.assertFalse(self.judged("multi_unmarked", True))
        self.assertTrue(self.judged("multi_free", False))
        self.assertFalse(self.judged("multi_free", False))

    def test_the_same_in_the_warning(self) -> None:
        """Evidence and reasons come from disk as they went there."""
        texts = []
        for _ in range(2):
            run = cases.world.run("from probe import *\nimport multi_unmarked, single_free\nimport interlock\n"
                                  "say(known=[[one['evidence'], one['why'], one['verdict'], one['confidence'], "
                                  "one['build_id']] for one in interlock.modules() "
                                  "if one['module'] in ('multi_unmarked', 'single_free')])\n",
                                  path=[str(self.modules)], env={"XDG_CACHE_HOME": str(self.cache)})
            self.assertEqual((run.status, run.gil), (0, True), run)
            self.assertTrue(any(evidence for evidence, *_ in run.facts["known"]), run)
            texts.append(run.facts["known"])
        self.assertEqual(texts[0], texts[1])

    def test_off(self) -> None:
        for _ in range(2):
            self.assertTrue(self.judged("multi_free", False, INTERLOCK_VERDICT_CACHE="0"))
        self.assertFalse(self.entries.exists())

    def test_other_file_at_the_same_place(self) -> None:
        self.judged("multi_free", False)
        file = self.modules / cases.world.path_of("multi_free").name
        status = file.stat()
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        self.assertTrue(self.judged("multi_free", False))

    def test_broken(self) -> None:
        self.judged("multi_unmarked", True)
        good = self.entry().read_bytes()
        verdict = good.index(b"1:5")  # unmarked
        entry = self.entry()
        for broken in (b"", b"x", good[:len(good) // 2], good[:-1], good + b"1", good + b"9999999999999999999999:",
                       good.replace(b"1:5", b"1:9", 1), good.replace(b"1:5", b"2:-1", 1), b"\0" * 100,
                       good[:verdict] + b"1:", os.urandom(300), good.replace(b"multi_unmarked", b"multi_unmarkee")):
            with self.subTest(broken=broken):
                self.assertNotEqual(broken, good)
                entry.write_bytes(broken)
                self.assertTrue(self.judged("multi_unmarked", True))
                self.assertEqual(entry.read_bytes(), good)

    def test_written_by_others(self) -> None:
        """Who can write an entry decides about the GIL."""
        self.judged("multi_unmarked", True)
        link = self.entry()
        link.chmod(0o666)
        self.assertTrue(self.judged("multi_unmarked", True))
        link.rename(self.cache / "elsewhere")
        link.symlink_to(self.cache / "elsewhere")
        self.assertTrue(self.judged("multi_unmarked", True))

    def test_no_place_for_it(self) -> None:
        (self.cache / "interlock").write_text("a file where a folder should be")
        for _ in range(2):
            self.assertTrue(self.judged("multi_free", False))
