# The second judge: modules for free-threaded CPython 3.14, of which no package of Debian 12 or 13 is to be had, run in
# a free-threaded 3.13 together with a library (newer.c) that supplies what 3.14 added. The two have the same layout of
# objects and definitions as far as a module sees it, and decide about the GIL in the same way.
#
# What does not run so says nothing. It is counted and named, and has to stay a small share.
#
# SPDX-License-Identifier: MIT
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import oracle

import interpreter as judges

SHIM = pathlib.Path(__file__).resolve().with_name("newer.c")


class Newer(judges.Interpreter):
    # Only the making of a module counts, and what a package does on its import may need all of 3.14. A module of the
    # single-phase kind does everything then, and may need its package.
    ways = ("create", "import")
    agreed_limit = 0.95

    def __init__(self, executable: str, jobs: int, shim: pathlib.Path):
        super().__init__(executable, jobs)
        if self.version != (3, 13):
            raise judges.Broken(f"{executable} is no CPython 3.13: newer.c is written for that one")
        self.version = (3, 14)
        self.added_suffixes = tuple(one.replace("-313t", "-314t") for one in self.suffixes if "-313t" in one)
        self.suffixes = sorted([*self.added_suffixes, *(one for one in self.suffixes if "-313t" not in one)], key=len,
                               reverse=True)
        self.environment = {"LD_PRELOAD": str(shim)}
        self.identity += [SHIM.read_text(encoding="utf-8"), repr((self.ways, self.added_suffixes))]
        self.description += ", and what 3.14 added"


def build(executable: str, folder: pathlib.Path) -> pathlib.Path:
    asked = "import sysconfig; print(sysconfig.get_path('include'))"
    headers = subprocess.run([executable, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    shim = folder / "libnewer.so"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{headers}",
                    str(SHIM), "-o", str(shim), "-ldl"], check=True)
    return shim


def main() -> int:
    options = oracle.arguments(argparse.ArgumentParser(description=(
        "Compares the verdicts of `interlock audit` on modules for free-threaded CPython 3.14 with what they do in a "
        "3.13 that is given what 3.14 added. Needs a C compiler, and what scripts/corpus.sh and "
        "scripts/freethreaded-python.sh bring."))).parse_args()
    status = oracle.prepared(options)
    if status != 0:
        return status
    with tempfile.TemporaryDirectory(prefix="interlock-newer-") as folder:
        passed = oracle.hold(Newer(options.python, options.jobs, build(options.python, pathlib.Path(folder))), options)
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
