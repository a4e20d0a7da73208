"""Tests of the host for CPython, against a real free-threaded interpreter.

    tests/python/run.py --python PYTHON [-v] [pattern ...]

Each case runs in fresh processes, once under plain CPython and once under interlock (`python -m interlock`). The
interpreter has to find the package interlock, installed or in INTERLOCK_PYTHONPATH, and a C compiler has to be there
(CC, else cc). A pattern is one as of unittest's -k.

Exit status: 0 all passed, 1 some failed, 2 wrong use, 77 there is nothing to test with.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cases  # noqa: E402

SKIPPED = 77  # as in tests/corpus/wheels.py


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py", description="Tests of the host for CPython.")
    parser.add_argument("--python", required=True, metavar="PYTHON", help="a free-threaded interpreter, 3.13 or newer")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each test")
    parser.add_argument("-f", "--failfast", action="store_true", help="stop at the first failure")
    parser.add_argument("patterns", nargs="*", help="only tests whose name matches one of these")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="interlock-python-") as scratch:
        try:
            cases.world = cases.World(options.python, pathlib.Path(scratch))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"run.py: error: {error}", file=sys.stderr)
            return SKIPPED
        found = cases.world.run("import interlock")
        if found.status != 0:
            print(f"run.py: error: {options.python} cannot import interlock; install it for this interpreter, or name "
                  f"its folder in INTERLOCK_PYTHONPATH\n{found.errors}", file=sys.stderr)
            return SKIPPED
        loader = unittest.TestLoader()
        loader.testNamePatterns = [one if "*" in one else f"*{one}*" for one in options.patterns] or None
        tests = unittest.TestSuite(loader.loadTestsFromName(file.stem) for file in sorted(HERE.glob("test_*.py")))
        if tests.countTestCases() == 0:
            print("run.py: error: no test has such a name", file=sys.stderr)
            return 2
        runner = unittest.TextTestRunner(verbosity=2 if options.verbose else 1, failfast=options.failfast)
        return 0 if runner.run(tests).wasSuccessful() else 1


if __name__ == "__main__":
    raise SystemExit(main())
