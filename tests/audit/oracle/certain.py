# No verdict that the audit calls certain is wrong: the fixtures, of which many are made to deceive it, are imported by a
# free-threaded CPython, each in a process of its own. What is probable may be wrong; what is undetermined says nothing.
#
# SPDX-License-Identifier: MIT
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import verdicts as reports  # noqa: E402; first: it makes the rest importable, and writes no bytecode
from oracle import find_interpreter  # noqa: E402

SUFFIX = ".cpython-313t-x86_64-linux-gnu.so"
# Creates the module, which is when CPython decides about the GIL.
IMPORT = """
import importlib.machinery, importlib.util, os, sys
name, file = sys.argv[1:]
loader = importlib.machinery.ExtensionFileLoader(name, file)
importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, file, loader=loader))
print("on" if sys._is_gil_enabled() else "off", flush=True)
os._exit(0)
"""
DEADLINE = 300  # seconds for one import on a busy machine
LEAST = 80  # modules have to be compared: who imports nothing agrees with everything


def imported(python: str, file: pathlib.Path) -> str:
    """"on", "off", or why it is not known."""
    name = file.name.removesuffix(SUFFIX)
    try:
        done = subprocess.run([python, "-I", "-S", "-W", "ignore", "-c", IMPORT, name, str(file)], capture_output=True,
                              text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return "no end"
    return done.stdout.strip() or f"exit status {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds certain verdicts on the fixtures against a free-threaded CPython.")
    parser.add_argument("interlock", metavar="INTERLOCK", help="the command, such as build/release/bin/interlock")
    parser.add_argument("fixtures", metavar="FOLDER", type=pathlib.Path, help="the fixtures for x86-64 Linux")
    options = parser.parse_args()
    python = find_interpreter()
    if python is None:
        return reports.skip("there is no free-threaded CPython 3.13; run scripts/freethreaded-python.sh, which builds one")
    done = subprocess.run([options.interlock, "audit", "--format", "json", str(options.fixtures)], capture_output=True,
                          text=True)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"the audit ended with status {done.returncode}:\n{done.stderr}")
    says = {}
    for binary in json.loads(done.stdout)["binaries"]:
        for module in binary["modules"]:
            if module["primary"] and binary["path"].endswith(SUFFIX):
                says[pathlib.Path(binary["path"])] = module
    sure = {file: module for file, module in says.items()
            if module["confidence"] == "certain" and module["verdict"] in ("free", "unmarked", "global_lock")}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = dict(zip(sure, pool.map(lambda file: imported(python, file), sure)))
    wrong = [file for file in sure if seen[file] in ("on", "off") and
             (seen[file] == "off") != (sure[file]["verdict"] == "free")]
    compared = sum(gil in ("on", "off") for gil in seen.values())
    for file in sorted(sure):
        if file in wrong or seen[file] not in ("on", "off"):
            print(f"{'WRONG' if file in wrong else 'not importable'}: {file.name}: certainly {sure[file]['verdict']}; "
                  f"CPython: {seen[file]}")
    print(f"{len(says)} modules, {len(sure)} certain, {compared} compared, {len(wrong)} wrong")
    return 0 if not wrong and compared >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
