"""Tests of the host for CPython, against a real free-threaded interpreter.

    PYTHON tests/python/run.py [--python PYTHON] [--jobs N] [-v] [pattern ...]

Each case runs in fresh processes, once under plain CPython and once under interlock (`python -m interlock`). The
interpreter has to find the package interlock, installed or in INTERLOCK_PYTHONPATH, and a C compiler has to be there
(CC, else cc). A pattern is one as of unittest's -k.

Exit status: 0 all passed, 1 some failed, 2 wrong use, 77 there is nothing to test with.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator

sys.dont_write_bytecode = True  # the tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cases  # noqa: E402
import packages  # noqa: E402

SKIPPED = 77  # as in tests/corpus/wheels.py


def flat(tests: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for one in tests:
        if isinstance(one, unittest.TestSuite):
            yield from flat(one)
        else:
            yield one


def run(tests: list[unittest.TestCase], jobs: int, verbose: bool) -> bool:
    """Each test waits for processes, so they go side by side in threads."""
    def one(test: unittest.TestCase) -> unittest.TestResult:
        result = unittest.TestResult()
        test.run(result)
        return result

    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for test, result in zip(tests, pool.map(one, tests)):
            passed += result.wasSuccessful() and not result.skipped
            failed += not result.wasSuccessful()
            skipped += result.wasSuccessful() and bool(result.skipped)
            if verbose:
                word = "skipped" if result.skipped else "passed"
                print(word if result.wasSuccessful() else "failed", test.id())
            for which, text in result.failures + result.errors:
                print(f"{which.id()}\n{text}")
            for which, why in result.skipped:
                print(f"skipped: {which.id()}: {why}")
    print(f"python: {passed} passed, {failed} failed, {skipped} skipped")
    return failed == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py", description="Tests of the host for CPython.")
    parser.add_argument("--python", default=sys.executable, metavar="PYTHON",
                        help="a free-threaded interpreter, 3.13 or newer; without it the one that runs this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="tests at once")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each test")
    parser.add_argument("patterns", nargs="*", help="only tests whose name matches one of these")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="interlock-python-") as scratch:
        try:
            cases.world = cases.World(options.python, pathlib.Path(scratch))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"run.py: error: {error}", file=sys.stderr)
            return SKIPPED
        if cases.world.package is None:
            print(f"run.py: error: {options.python} cannot import interlock; install it for this interpreter, or name "
                  "its folder in INTERLOCK_PYTHONPATH", file=sys.stderr)
            return SKIPPED
        missing = packages.load(options.python)
        if missing:
            print(f"there is no wheel for this interpreter (scripts/corpus.sh) of {', '.join(missing)}")
            if packages.wheels.required():
                return 1
        loader = unittest.TestLoader()
        loader.testNamePatterns = [one if "*" in one else f"*{one}*" for one in options.patterns] or None
        suite = unittest.TestSuite(loader.loadTestsFromName(file.stem) for file in sorted(HERE.glob("test_*.py")))
        suite.addTest(loader.loadTestsFromTestCase(packages.Packages))
        tests = list(flat(suite))
        if not tests:
            print("run.py: error: no test has such a name", file=sys.stderr)
            return 2
        return 0 if run(tests, options.jobs, options.verbose) else 1


if __name__ == "__main__":
    raise SystemExit(main())
